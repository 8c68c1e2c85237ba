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

enum { ID, IMAGE, LABEL, MORE, FIELDS = MORE + NII_CHANNELS_MOST };

static int add_more(struct nii_case *c, char **field, int n, const char *path, struct err *e)
{
	c->more = n ? mem_zero((size_t)n, sizeof *c->more, "images", e) : NULL;
	for (int i = 0; i < n; i++) {
		c->more[c->n_more] = c->more ? nii_beside(path, field[i]) : NULL;
		if (!c->more || !c->more[c->n_more++])
			return err_set(e, path, "not enough memory");
	}
	return 0;
}

/* Takes the line apart. Returns how many fields there are, or -1 and an error. */
static int split(char *line, const char *path, int64_t no, char *field[FIELDS], struct err *e)
{
	char *p = line;
	int n = 0;

	while (n < FIELDS && (field[n] = strsep(&p, "\t")))
		n++;
	if (n < 2 || !*field[IMAGE])
		return err_set(e, path, "line %lld: expected id, image and label with tabs between them, found %d field%s%s", (long long)no, n, n == 1 ? "" : "s",
		               n > 1 && !*field[IMAGE] ? " and no image" : "");
	if (n >= FIELDS)
		return err_set(e, path, "line %lld: more than %d images of a case", (long long)no, NII_CHANNELS_MOST);
	for (int i = MORE; i < n; i++)
		if (!*field[i])
			return err_set(e, path, "line %lld: image %d of %d is empty", (long long)no, i - MORE + 2, n - MORE + 1);
	return n;
}

static int add_line(struct nii_list *l, char *line, const char *path, int64_t no, struct err *e)
{
	char *field[FIELDS];
	struct nii_case *c;
	int n = split(line, path, no, field, e);

	if (n < 0)
		return -1;
	if (n > MORE && l->predicted)
		return err_set(e, path, "line %lld: expected id, truth and pred with tabs between them, found %d fields", (long long)no, n);
	if (frame_check_id(NULL, field[ID], e))
		return err_prefix(e, "%s: line %lld", path, (long long)no);
	for (int64_t i = 0; i < l->n; i++)
		if (!strcmp(l->c[i].id, field[ID]))
			return err_set(e, path, "line %lld: id '%.80s' is there twice", (long long)no, field[ID]);
	c = add(l);
	if (!c)
		return err_set(e, path, "not enough memory");
	c->id = strdup(field[ID]);
	c->image = nii_beside(path, field[IMAGE]);
	c->label = n > LABEL && *field[LABEL] ? nii_beside(path, field[LABEL]) : NULL;
	if (!c->id || !c->image || (n > LABEL && *field[LABEL] && !c->label))
		return err_set(e, path, "not enough memory");
	return add_more(c, field + MORE, n > MORE ? n - MORE : 0, path, e);
}

static const char predicted[] = "id\ttruth\tpred";

static int is_heading(const char *line)
{
	static const char cases[] = "id\timage\tlabel";
	char next[24];
	const char *p;

	if (!strcmp(line, "id\timage") || !strcmp(line, predicted))
		return 1;
	if (strncmp(line, cases, strlen(cases)))
		return 0;
	p = line + strlen(cases);
	for (int k = 2; *p && k <= NII_CHANNELS_MOST; k++) {
		size_t n = (size_t)snprintf(next, sizeof next, "\timage%d", k);

		if (strncmp(p, next, n))
			return 0;
		p += n;
	}
	return !*p;
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
		for (int k = 0; k < l->c[i].n_more; k++)
			free(l->c[i].more[k]);
		free(l->c[i].more);
	}
	free(l->c);
	memset(l, 0, sizeof *l);
}
