#include <math.h>
#include <stddef.h>
#include <string.h>

#include "lib/volume/nifti/nifti.h"

#define AT(h, field) (int64_t)((h)->version == 1 ? offsetof(nifti_1_header, field) : offsetof(nifti_2_header, field))

/* A quaternion's b, c, d may exceed a unit's length by rounding; by more it is something else. */
static const long double quat_excess = 1e-3L;

/* Rotation from b, c, d in the header: nibabel's fillpositive and quat2mat, in long double as there. */
static int rotation(const struct nii_header *h, long double r[3][3], const char *file, struct err *e)
{
	long double x = h->h.quatern_b, y = h->h.quatern_c, z = h->h.quatern_d, w2 = 1 - (x * x + y * y + z * z), w, s;
	long double least = 3 * (h->version == 1 ? (long double)1.1920928955078125e-7 : (long double)2.220446049250313e-16);

	if (!isfinite(w2) || w2 < -quat_excess)
		return err_at(e, file, AT(h, quatern_b), "quatern_b, c, d are %g, %g, %g (expected a length of at most 1)", h->h.quatern_b, h->h.quatern_c,
		              h->h.quatern_d);
	w = w2 < least ? 0 : sqrtl(w2);
	s = 2 / (w * w + x * x + y * y + z * z);
	r[0][0] = 1 - s * (y * y + z * z);
	r[0][1] = s * (x * y - w * z);
	r[0][2] = s * (x * z + w * y);
	r[1][0] = s * (x * y + w * z);
	r[1][1] = 1 - s * (x * x + z * z);
	r[1][2] = s * (y * z - w * x);
	r[2][0] = s * (x * z - w * y);
	r[2][1] = s * (y * z + w * x);
	r[2][2] = 1 - s * (x * x + y * y);
	return 0;
}

/* |pixdim| of x, y, z; an axis of one voxel may have none. */
static int spacing(const struct nii_header *h, double s[3], const char *file, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		s[i] = i < h->h.dim[0] ? fabs(h->h.pixdim[i + 1]) : 1;
		if (s[i] == 0 && h->grid.size[i] == 1)
			s[i] = 1;
		if (s[i] == 0)
			return err_at(e, file, AT(h, pixdim) + (i + 1) * (h->version == 1 ? 4 : 8), "pixdim[%d] is 0 (expected mm)", i + 1);
	}
	return 0;
}

static int from_qform(struct nii_header *h, double *a, const char *file, struct err *e)
{
	const double origin[3] = {h->h.qoffset_x, h->h.qoffset_y, h->h.qoffset_z};
	long double r[3][3];
	double s[3], q = h->h.pixdim[0];

	if (q != 1 && q != -1 && q != 0)
		return err_at(e, file, AT(h, pixdim), "pixdim[0] is %g (expected 1 or -1: it is the qform's handedness)", q);
	if (rotation(h, r, file, e) || spacing(h, s, file, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			a[4 * i + j] = (double)(r[i][j] * (j == 2 && q < 0 ? -s[j] : s[j]));
		a[4 * i + 3] = origin[i];
	}
	return 0;
}

static int from_pixdim(struct nii_header *h, double *a, const char *file, struct err *e)
{
	double s[3];

	if (spacing(h, s, file, e))
		return -1;
	s[0] = -s[0];
	for (int i = 0; i < 3; i++) {
		a[5 * i] = s[i];
		a[4 * i + 3] = -s[i] * (double)(h->grid.size[i] - 1) / 2;
	}
	return 0;
}

static void from_sform(const struct nii_header *h, double *a)
{
	memcpy(a, h->h.srow_x, sizeof h->h.srow_x);
	memcpy(a + 4, h->h.srow_y, sizeof h->h.srow_y);
	memcpy(a + 8, h->h.srow_z, sizeof h->h.srow_z);
}

/* How many mm the header's unit is, as ITK has it: where it says none or none that is known, numbers are in mm. */
static double unit(const struct nii_header *h)
{
	switch (XYZT_TO_SPACE(h->h.xyzt_units)) {
	case NIFTI_UNITS_METER:
		return 1e3;
	case NIFTI_UNITS_MICRON:
		return 1e-3;
	default:
		return 1;
	}
}

static int check_code(const struct nii_header *h, const char *name, int code, int64_t at, const char *file, struct err *e)
{
	(void)h;
	if (code < 0 || code > 5)
		return err_at(e, file, at, "%s is %d (expected 0 to 5)", name, code);
	return 0;
}

int nii_affine(struct nii_header *h, const char *file, struct err *e)
{
	double *a = h->grid.affine, det;
	const char *what = h->h.sform_code > 0 ? "sform" : h->h.qform_code > 0 ? "qform" : "pixdim";

	memset(a, 0, 16 * sizeof *a);
	a[15] = 1;
	if (check_code(h, "qform_code", h->h.qform_code, AT(h, qform_code), file, e) ||
	    check_code(h, "sform_code", h->h.sform_code, AT(h, sform_code), file, e))
		return -1;
	if (h->h.sform_code > 0)
		from_sform(h, a);
	else if (h->h.qform_code > 0 ? from_qform(h, a, file, e) : from_pixdim(h, a, file, e))
		return -1;
	for (int i = 0; i < 12; i++)
		a[i] *= unit(h);
	for (int i = 0; i < 12; i++)
		if (!isfinite(a[i]))
			return err_at(e, file, h->h.sform_code > 0 ? AT(h, srow_x) : AT(h, quatern_b), "the affine (%s) has %g in it", what, a[i]);
	det = a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8]);
	if (det == 0 || !isfinite(det))
		return err_at(e, file, h->h.sform_code > 0 ? AT(h, srow_x) : AT(h, quatern_b), "the affine (%s) is singular", what);
	return 0;
}

/* Does the quaternion give the affine back? */
static int expressed(const nifti_2_header *h, const double *a)
{
	nifti_dmat44 m = nifti_quatern_to_dmat44(h->quatern_b, h->quatern_c, h->quatern_d, 0, 0, 0, h->pixdim[1], h->pixdim[2], h->pixdim[3], h->pixdim[0]);
	double largest = fmax(h->pixdim[1], fmax(h->pixdim[2], h->pixdim[3]));

	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			if (fabs(m.m[i][j] - a[4 * i + j]) > 1e-5 * largest)
				return 0;
	return 1;
}

void nii_set_affine(nifti_2_header *h, const double a[16])
{
	nifti_dmat44 m;
	double b, c, d, x, y, z, dx, dy, dz, fac;

	memcpy(m.m, a, sizeof m.m);
	nifti_dmat44_to_quatern(m, &b, &c, &d, &x, &y, &z, &dx, &dy, &dz, &fac);
	h->quatern_b = b, h->quatern_c = c, h->quatern_d = d;
	h->pixdim[0] = fac, h->pixdim[1] = dx, h->pixdim[2] = dy, h->pixdim[3] = dz;
	h->qform_code = expressed(h, a);
	if (h->qform_code)
		h->qoffset_x = a[3], h->qoffset_y = a[7], h->qoffset_z = a[11];
	else
		h->quatern_b = h->quatern_c = h->quatern_d = 0;
	h->sform_code = 1;
	memcpy(h->srow_x, a, sizeof h->srow_x);
	memcpy(h->srow_y, a + 4, sizeof h->srow_y);
	memcpy(h->srow_z, a + 8, sizeof h->srow_z);
}
