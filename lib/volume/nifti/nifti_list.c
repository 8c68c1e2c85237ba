#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti_parts.h"

static struct nii_case *add(struct nii_list *l)
{
	if (mem_more(&l->c, (size_t)l->n, sizeof *l->c, "cases", NULL))
		return NULL;
	memset(&l->c[l->n], 0, sizeof *l->c);
	return &l->c[l->n++];
}

static int add_line(struct nii_list *l, char *line, const char *path, int64_t no, struct err *e)
{
	char *p = line, *field[4];
	struct nii_case *c;
	int n = 0;

	while (n < 4 && (field[n] = strsep(&p, "\t")))
		n++;
	if (n < 2 || n > 3 || !*field[1])
		return err_set(e, path, "line %lld: expected id, image and label with tabs between them, found %d field%s%s", (long long)no, n, n == 1 ? "" : "s",
		               n > 1 && !*field[1] ? " and no image" : "");
	if (frame_check_id(NULL, field[0], e))
		return err_prefix(e, "%s: line %lld", path, (long long)no);
	for (int64_t i = 0; i < l->n; i++)
		if (!strcmp(l->c[i].id, field[0]))
			return err_set(e, path, "line %lld: id '%.80s' is there twice", (long long)no, field[0]);
	c = add(l);
	if (!c)
		return err_set(e, path, "not enough memory");
	c->id = strdup(field[0]);
	c->image = nii_beside(path, field[1]);
	c->label = n == 3 && *field[2] ? nii_beside(path, field[2]) : NULL;
	return c->id && c->image && (c->label || n < 3 || !*field[2]) ? 0 : err_set(e, path, "not enough memory");
}

static const char predicted[] = "id\ttruth\tpred";

static int is_heading(const char *line)
{
	return !strcmp(line, "id\timage") || !strcmp(line, "id\timage\tlabel") || !strcmp(line, predicted);
}

/* Windows' programs put a byte order mark before a text. */
static const char mark[] = "\xef\xbb\xbf";

static int add_first(struct nii_list *l, char *line, const char *path, struct err *e)
{
	line += strncmp(line, mark, strlen(mark)) ? 0 : strlen(mark);
	l->predicted = !strcmp(line, predicted);
	if (!*line || is_heading(line))
		return 0;
	if (!strncmp(line, "id\t", 3))
		return err_set(e, path, "line 1: a heading of other columns than id, image and label");
	return add_line(l, line, path, 1, e);
}

static int lines(struct nii_list *l, FILE *in, const char *path, struct err *e)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int r = 0;

	for (int64_t no = 1; !r && (n = getline(&line, &room, in)) >= 0; no++) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (strlen(line) != (size_t)n)
			r = err_set(e, path, "line %lld: has a zero byte in it", (long long)no);
		else if (n)
			r = no == 1 ? add_first(l, line, path, e) : add_line(l, line, path, no, e);
	}
	if (!r && ferror(in))
		r = err_sys(e, path, "cannot read");
	free(line);
	return r;
}

int nii_list_read(struct nii_list *l, const char *path, struct err *e)
{
	int std = !strcmp(path, "-"), r;
	FILE *in = std ? stdin : fopen(path, "re");

	memset(l, 0, sizeof *l);
	if (!in)
		return err_sys(e, path, "cannot open");
	r = lines(l, in, std ? "standard input" : path, e);
	if (!std)
		fclose(in);
	if (!r && !l->n)
		r = err_set(e, path, "no case in it");
	if (r)
		nii_list_free(l);
	return r;
}

void nii_list_free(struct nii_list *l)
{
	for (int64_t i = 0; i < l->n; i++) {
		free(l->c[i].id);
		free(l->c[i].image);
		free(l->c[i].label);
	}
	free(l->c);
	memset(l, 0, sizeof *l);
}
