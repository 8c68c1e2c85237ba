/* In a GPU's place, where cuDNN's and cuBLASLt's headers are not there either: kernels/gpu/conv.c takes its own kernels. */
#include "kernels/gpu/cudnn.h"
#include "kernels/gpu/product.h"

struct cudnn_conv *cudnn_conv_new(const struct cudnn_shape *s, enum cudnn_pass pass, int which, int *broken, struct err *e)
{
	(void)s, (void)pass, (void)which;
	if (broken)
		*broken = 0;
	err_set(e, NULL, "there is no cuDNN here");
	return NULL;
}

int cudnn_conv_all(const struct cudnn_shape *s, enum cudnn_pass pass, int most, struct cudnn_conv **all, int *broken, struct err *e)
{
	(void)s, (void)pass, (void)most, (void)all;
	if (broken)
		*broken = 0;
	err_set(e, NULL, "there is no cuDNN here");
	return 0;
}

void cudnn_conv_free(struct cudnn_conv *c)
{
	(void)c;
}

size_t cudnn_conv_workspace(const struct cudnn_conv *c)
{
	(void)c;
	return 0;
}

int cudnn_conv_fits(const struct cudnn_conv *c, const void *x, const void *w, const void *y)
{
	(void)c, (void)x, (void)w, (void)y;
	return 0;
}

int cudnn_conv_run(struct cudnn_conv *c, const void *x, const void *w, const void *y, const void *bias, void *workspace, struct err *e)
{
	(void)c, (void)x, (void)w, (void)y, (void)bias, (void)workspace;
	return err_set(e, NULL, "there is no cuDNN here");
}

const char *cudnn_version(void)
{
	return "none";
}

struct product *product_new(const struct product_shape *s, struct err *e)
{
	(void)s;
	err_set(e, NULL, "there is no cuBLASLt here");
	return NULL;
}

void product_free(struct product *p)
{
	(void)p;
}

size_t product_workspace(const struct product *p)
{
	(void)p;
	return 0;
}

int product_run(struct product *p, const void *a, const void *b, const void *bias, void *d, void *workspace, struct err *e)
{
	(void)p, (void)a, (void)b, (void)bias, (void)d, (void)workspace;
	return err_set(e, NULL, "there is no cuBLASLt here");
}
