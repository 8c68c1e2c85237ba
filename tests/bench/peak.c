/* peak FILE COMMAND [ARG ...]: run it and append "KB COMMAND" to FILE, its largest resident set. For benchmarks: sums over a pipeline's members. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage u;
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 3)
		return 2;
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid)
		return 1;
	f = fopen(argv[1], "a");
	if (!f || fprintf(f, "%ld %s\n", u.ru_maxrss, argv[2]) < 0 || fclose(f))
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
