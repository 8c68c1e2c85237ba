/* nii-read: NIfTI, NRRD and MetaImage files become volume frames.
   In: NIfTI-1/2, single files or pairs, gzipped or not; NRRD and MetaImage, attached or detached; or one of them on standard input. Out: a frame
   a case: image [C,Z,Y,X] in the file's type (F32 where slope and intercept apply), with -l or -L also label [Z,Y,X], made of all where -l is given
   again; the header fields as read go into the history for nii-write. With --channels, and where a table says so, several files are one case, a
   channel each.
   Streams: the image is never whole in memory, but for NRRD and MetaImage with their channels first. */
#include <stdlib.h>

#include "lib/base/arg.h"
#include "lib/volume/nifti/nifti.h"

struct opts {
	struct arg_strs labels;
	const char *id, *list, *renamed, *files;
	struct nii_map map;
	struct arg_strs given;
	struct nii_with with;
	struct nii_channels channels; /* n 0: not said */
	int pairs, print;
};

static void say(const char *line)
{
	err_warn("%s", line);
}

/* Whole, wherever the table will lie. */
static int print_path(const char *path, struct out *out, struct err *e)
{
	char *whole = realpath(path, NULL);
	int r = whole ? out_printf(out, e, "\t%s", whole) : err_sys(e, path, "cannot open");

	free(whole);
	return r;
}

/* A line of a table of cases. */
static int print_case(const struct nii_case *c, struct out *out, struct err *e)
{
	int r = out_printf(out, e, "%s", c->id) || print_path(c->image, out, e) || print_path(c->label, out, e);

	for (int i = 0; i < c->n_more && !r; i++)
		r = print_path(c->more[i], out, e);
	return r || out_printf(out, e, "\n") ? -1 : 0;
}

static int print_heading(const struct nii_list *l, struct out *out, struct err *e)
{
	int r = out_printf(out, e, "id\timage\tlabel");

	for (int i = 0; i < l->c->n_more && !r; i++)
		r = out_printf(out, e, "\timage%d", i + 2);
	return r || out_printf(out, e, "\n") ? -1 : 0;
}

static int from_list(const struct opts *o, const struct arg_common *c, struct out *out, struct err *e)
{
	struct nii_list l;
	int r = o->list ? nii_list_read(&l, o->list, e) : nii_list_pairs(&l, c->argv, c->argc, say, e);

	if (!r && o->print)
		r = print_heading(&l, out, e);
	for (int64_t i = 0; !r && i < l.n; i++) {
		l.c[i].map = o->renamed ? &o->map : NULL;
		l.c[i].channels = o->files ? &o->channels : NULL;
		l.c[i].with = o->given.n ? &o->with : NULL;
		r = o->print ? print_case(&l.c[i], out, e) : nii_case_write(&l.c[i], out, e);
		if (r && o->list)
			err_prefix(e, "%s: %s", o->list, l.c[i].id);
		else if (!r && c->verbose)
			err_warn("%s: done", l.c[i].id);
	}
	nii_list_free(&l);
	return r;
}

/* The first of a case's files is at path, the others are behind it; n: files that there are. */
static int take_files(struct nii_case *one, char **path, int n, struct err *e)
{
	const int each = one->channels ? one->channels->n : 1;

	one->image = n ? path[0] : NULL;
	one->n_more = n ? each - 1 : 0;
	one->more = path + 1;
	if (n && n < each)
		return err_set(e, path[n - 1], "is file %d of a case of %d (--channels), and no other is named", n, each);
	return n && each > 1 && !one->id ? nii_channels_check(path, each, e) : 0; /* with --id they are what the user says */
}

static int from_operands(const struct opts *o, const struct arg_common *c, struct out *out, struct err *e)
{
	const int several = o->labels.n > 1, each = o->files ? o->channels.n : 1;
	int64_t shared = 0;
	struct nii_case one = {.id = (char *)o->id, .label = o->labels.n == 1 ? (char *)o->labels.v[0] : NULL, .map = o->renamed ? &o->map : NULL,
	                       .parts = several ? &o->labels : NULL, .shared = several && c->verbose ? &shared : NULL,
	                       .channels = o->files ? &o->channels : NULL, .with = o->given.n ? &o->with : NULL};

	for (int i = 0; i < (c->argc ? c->argc : 1); i += each) {
		if (take_files(&one, c->argv + i, c->argc - i, e) || nii_case_write(&one, out, e))
			return -1;
		if (one.shared)
			err_warn("%lld voxels are of several labels: the last one counts", (long long)shared);
		if (c->verbose)
			err_warn("%s: done", one.image ? one.image : "standard input");
	}
	return 0;
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	struct out out;

	if (out_open(&out, c->out, !o->print, e))
		return -1;
	if (o->list || o->pairs ? from_list(o, c, &out, e) : from_operands(o, c, &out, e)) {
		out_abort(&out);
		return -1;
	}
	return out_close(&out, e);
}

int main(int argc, char **argv)
{
	static struct opts o;
	const struct arg args[] = {
		{'l', "label", ARG_STRS, &o.labels, "LABEL", "file with the label of the one FILE; again: a mask each, label 1, 2, ...", 0, 0, NII_PARTS_MOST},
		{0, "id", ARG_STR, &o.id, "ID", "name of the case (default: FILE's name without .nii, .hdr, .img, .gz, .nrrd, .nhdr, .mha, .mhd)"},
		{0, "with", ARG_STRS, &o.given, "NAME=FILE", "another tensor on the grid; a folder: its file of the case's name; again: one more"},
		{0, "map", ARG_STR, &o.renamed, "FROM=TO,...", "labels that become others; FROM *: all but 0 that are not named"},
		{0, "channels", ARG_STR, &o.files, "N|NAME,...|JSON", "files of a case, a channel each: how many, or their names (1)"},
		{'L', "list", ARG_STR, &o.list, "CASES", "table of cases: id, image, label, further images, with tabs between; no FILE then"},
		{0, "pairs", ARG_FLAG, &o.pairs, NULL, "FILEs are images and labels that pair by name: ID_ct, ID_gtv; imagesTr/ID, labelsTr/ID; ..."},
		{0, "print", ARG_FLAG, &o.print, NULL, "with --pairs: read nothing, print the table of cases"},
		{0},
	};
	const struct arg_spec spec = {
		"nii-read", "[FILE ...]", "NIfTI, NRRD and MetaImage files to volume frames", args, ARG_OUT, 0, -1,
	};
	struct arg_common c;
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	if (o.list && (c.argc || o.labels.n || o.id || o.pairs))
		err_usage("--list goes without FILE, --label, --id and --pairs");
	if (o.pairs ? !c.argc || o.labels.n || o.id : o.print)
		err_usage(o.pairs ? "--pairs goes with FILE ..., and without --label and --id" : "--print goes with --pairs");
	if (o.renamed && (o.print || !(o.labels.n || o.list || o.pairs)))
		err_usage("--map goes with labels: --label, --list or --pairs");
	if (o.renamed && nii_map_parse(&o.map, o.renamed, &e))
		err_usage("--map: %s", e.text);
	if (o.given.n && o.print)
		err_usage("--with: nothing is read with --print");
	if (nii_with_parse(&o.with, &o.given, &e))
		err_usage("--with: %s", e.text);
	if (o.files)
		nii_channels_option(&o.channels, o.files);
	if (c.argc > (o.files ? o.channels.n : 1) && (o.labels.n || o.id))
		err_usage("--label and --id go with one %s", o.files ? "case" : "FILE");
	for (int i = 0; i < o.with.n; i++)
		if (!o.with.one[i].folder && (o.list || o.pairs || c.argc > (o.files ? o.channels.n : 1)))
			err_usage("--with %s=%s: of several cases it is a folder of files with their names", o.with.one[i].name, o.with.one[i].path);
	if (run(&o, &c, &e))
		err_die(&e);
	nii_channels_free(&o.channels);
	return 0;
}
