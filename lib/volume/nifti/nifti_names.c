/* The names of labels as TotalSegmentator's masks have them: Caret's label table, XML, as the first extension of the header, of code 0 and not
   Caret's 30, which nibabel's get_content (5.4) does not give. Colours are those of PASCAL VOC's colour map. */
#include "lib/base/html.h"
#include "lib/stream/names.h"
#include "lib/volume/nifti/nifti.h"

/* 0 to 255: bits `first`, first + 3, ... of the label, the lowest one as the highest of the colour. */
static int colour(int label, int first)
{
	int c = 0;

	for (int bit = first, to = 7; to >= 0 && bit < 24; bit += 3, to--)
		c |= (label >> bit & 1) << to;
	return c;
}

void nii_label_colour(int label, double rgb[3])
{
	for (int i = 0; i < 3; i++)
		rgb[i] = colour(label, i) / 255.;
}

static void put_label(struct html *h, int label, const char *name)
{
	double rgb[3];

	nii_label_colour(label, rgb);
	html_print(h, "<Label Key=\"%d\" Red=\"%.4f\" Green=\"%.4f\" Blue=\"%.4f\" Alpha=\"1\">", label, rgb[0], rgb[1], rgb[2]);
	html_text(h, name);
	html_put(h, "</Label>\n");
}

int nii_names_table(const struct frame *f, struct html *h, struct err *e)
{
	json_t *names;

	if (names_get(f, &names, e))
		return -1;
	if (names)
		html_put(h, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CaretExtension>\n<VolumeInformation Index=\"0\">\n<LabelTable>\n");
	for (int i = 1; i <= NAMES_MOST; i++)
		if (names_of(names, i))
			put_label(h, i, names_of(names, i));
	if (names)
		html_put(h, "</LabelTable>\n<VolumeType>Label</VolumeType>\n</VolumeInformation>\n</CaretExtension>\n");
	html_bytes(h, "", names ? 1 : 0); /* it ends here */
	json_decref(names);
	return h->failed ? err_set(e, NULL, "not enough memory for names of labels") : 0;
}
