/* peak COMMAND [ARG ...]: run it in a process group of its own and print, last on standard output, "MS KB CPU_MS": wall time, the largest
   sum of the resident sets of the group's processes at any one moment (looked at every few milliseconds), processor time of all of them.
   For benchmarks of pipelines. Linux. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/progress.h"

enum { EVERY_US = 4000 };

/* Resident KB of process `name` if it is of the group. */
static long resident(const char *name, pid_t group)
{
	long pages = 0, kb = sysconf(_SC_PAGESIZE) / 1024, size;
	char path[300];
	int pgrp = -1;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%s/stat", name);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %*d %d", &pgrp) != 1)
		pgrp = -1;
	fclose(f);
	if (pgrp != group)
		return 0;
	snprintf(path, sizeof path, "/proc/%s/statm", name);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * kb;
}

static long group_resident(pid_t group)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	long sum = 0;

	while (d && (entry = readdir(d)))
		if (isdigit((unsigned char)entry->d_name[0]))
			sum += resident(entry->d_name, group);
	if (d)
		closedir(d);
	return sum;
}

int main(int argc, char **argv)
{
	double begun = progress_now();
	long most = 0, now;
	struct rusage u;
	int status;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0)
		return 1;
	setpgid(pid, pid);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		now = group_resident(pid);
		most = now > most ? now : most;
		usleep(EVERY_US);
	}
	getrusage(RUSAGE_CHILDREN, &u);
	printf("%.0f %ld %.0f\n", 1000 * (progress_now() - begun), most,
	       1e3 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
