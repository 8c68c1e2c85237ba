/* cuBLASLt in a GPU's place, as far as kernels/gpu/product.c calls it: matrices whose columns do not fit their types, sizes or alignment,
   combinations of types that it does not have, and a bias that is not there, or not at a multiple of 16 bytes (pytorch/pytorch#194497), end the
   process with a line. */
#include <cublasLt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

struct cublasLtContext { int one; };
struct layout { cudaDataType type; int64_t rows, cols, ld; };
struct what { cublasComputeType_t compute; cudaDataType_t scale; cublasOperation_t a, b; cublasLtEpilogue_t then; const void *bias; };
struct want { size_t workspace; uint32_t schemes, align[4]; };
struct chosen { uint32_t align[4]; };

_Static_assert(sizeof(struct chosen) <= sizeof(cublasLtMatmulAlgo_t), "it is kept in there");

static struct cublasLtContext context;

static void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "tests/sim/blas.c: %s\n", what);
	abort();
}

const char *cublasLtGetStatusString(cublasStatus_t s)
{
	return s == CUBLAS_STATUS_SUCCESS ? "success" : "not supported";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
	*h = &context;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld)
{
	struct layout *own = calloc(1, sizeof *own);

	must(rows > 0 && cols > 0 && ld >= (int64_t)rows && (type == CUDA_R_32F || type == CUDA_R_16BF),
		"a matrix of no columns, or of a length below its rows");
	*own = (struct layout){type, (int64_t)rows, (int64_t)cols, ld};
	*l = (cublasLtMatrixLayout_t)own;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
	free(l);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t scale)
{
	struct what *own = calloc(1, sizeof *own);

	must((compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32) && scale == CUDA_R_32F, "another type to compute in");
	*own = (struct what){compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL};
	*d = (cublasLtMatmulDesc_t)own;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
	free(d);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attr, const void *v, size_t n)
{
	struct what *w = (struct what *)d;
	const struct { cublasLtMatmulDescAttributes_t attr; void *to; size_t n; } known[] = {
		{CUBLASLT_MATMUL_DESC_TRANSA, &w->a, sizeof w->a}, {CUBLASLT_MATMUL_DESC_TRANSB, &w->b, sizeof w->b},
		{CUBLASLT_MATMUL_DESC_EPILOGUE, &w->then, sizeof w->then}, {CUBLASLT_MATMUL_DESC_BIAS_POINTER, &w->bias, sizeof w->bias},
	};
	int done = 0;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].attr == attr) {
			must(n == known[i].n, "an attribute's size");
			memcpy(known[i].to, v, n);
			done = 1;
		}
	must(done, "an attribute that is not known here");
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
	*p = calloc(1, sizeof **p);
	*(struct want *)*p = (struct want){0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
	free(p);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t attr, const void *v, size_t n)
{
	struct want *w = (struct want *)p;

	if (attr == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && n == sizeof w->workspace)
		memcpy(&w->workspace, v, n);
	else if (attr == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK && n == sizeof w->schemes)
		memcpy(&w->schemes, v, n);
	else if (attr >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES && attr <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES && n == sizeof *w->align)
		memcpy(&w->align[attr - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], v, n);
	else
		must(0, "a preference that is not known here, or its size");
	return CUBLAS_STATUS_SUCCESS;
}

static int64_t sum_length(const struct what *w, const struct layout *a)
{
	return w->a == CUBLAS_OP_T ? a->rows : a->cols;
}

static void check(const struct what *w, const struct layout *a, const struct layout *b, const struct layout *d)
{
	must(a->type == b->type && (d->type == a->type || (a->type == CUDA_R_16BF && d->type == CUDA_R_32F)), "types that it does not multiply");
	must((w->a == CUBLAS_OP_T ? a->cols : a->rows) == d->rows && (w->b == CUBLAS_OP_T ? b->rows : b->cols) == d->cols &&
		sum_length(w, a) == (w->b == CUBLAS_OP_T ? b->cols : b->rows), "sizes that do not fit each other");
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t what, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
	cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t p, int room, cublasLtMatmulHeuristicResult_t *r, int *n)
{
	const struct want *w = (const struct want *)p;
	struct chosen own;

	must(h == &context && c == d && room == 1, "a question of another kind");
	must(!(w->schemes & CUBLASLT_REDUCTION_SCHEME_INPLACE), "sums whose order is not always the same");
	check((const struct what *)what, (const struct layout *)a, (const struct layout *)b, (const struct layout *)d);
	memcpy(own.align, w->align, sizeof own.align);
	memset(r, 0, sizeof *r);
	memcpy(&r->algo, &own, sizeof own);
	r->workspaceSize = w->workspace < 512 ? w->workspace : 512;
	r->state = CUBLAS_STATUS_SUCCESS;
	*n = 1;
	return CUBLAS_STATUS_SUCCESS;
}

static double get(cudaDataType type, const void *p, int64_t i)
{
	union { uint32_t u; float f; } v;

	v.u = type == CUDA_R_16BF ? (uint32_t)((const uint16_t *)p)[i] << 16 : ((const uint32_t *)p)[i];
	return (double)v.f;
}

static void put(cudaDataType type, void *p, int64_t i, double d)
{
	union { uint32_t u; float f; } v = {.f = (float)d};

	if (type == CUDA_R_16BF)
		((uint16_t *)p)[i] = (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
	else
		((float *)p)[i] = v.f;
}

/* What a product is when it comes to it */
struct job { struct what what; struct layout a, b, d; const void *at[2]; void *to, *work; size_t workspace; float more; };

static void multiply(const void *own)
{
	const struct job *p = own;
	const struct what *w = &p->what;
	const struct layout *A = &p->a, *B = &p->b, *D = &p->d;

	wall_open(NULL, NULL);
	memset(p->work, 0xff, p->workspace);
#pragma omp parallel for schedule(static)
	for (int64_t j = 0; j < D->cols; j++)
		for (int64_t i = 0; i < D->rows; i++) {
			double sum = (w->then == CUBLASLT_EPILOGUE_BIAS ? get(D->type, w->bias, i) : 0) +
				(p->more != 0 ? (double)p->more * get(D->type, p->to, j * D->ld + i) : 0);

			for (int64_t k = 0; k < sum_length(w, A); k++)
				sum += get(A->type, p->at[0], w->a == CUBLAS_OP_T ? i * A->ld + k : k * A->ld + i) * get(B->type, p->at[1],
					w->b == CUBLAS_OP_T ? k * B->ld + j : j * B->ld + k);
			put(D->type, p->to, j * D->ld + i, sum);
		}
	wall_close();
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t what, const void *alpha, const void *a, cublasLtMatrixLayout_t al,
	const void *b,
	cublasLtMatrixLayout_t bl, const void *beta, const void *c, cublasLtMatrixLayout_t cl, void *d, cublasLtMatrixLayout_t dl,
	const cublasLtMatmulAlgo_t *algo, void *work, size_t workspace, cudaStream_t s)
{
	const struct what *w = (const struct what *)what;
	const struct layout *A = (const struct layout *)al, *B = (const struct layout *)bl, *D = (const struct layout *)dl;
	const void *at[] = {a, b, c, d};
	struct chosen own;

	memcpy(&own, algo, sizeof own);
	must(h == &context && c == d && cl == dl && *(const float *)alpha == 1, "a product of another kind");
	check(w, A, B, D);
	for (int i = 0; i < 4; i++)
		must(at[i] && own.align[i] && (uintptr_t)at[i] % own.align[i] == 0, "a matrix that is not aligned as it was said");
	must(w->then == CUBLASLT_EPILOGUE_DEFAULT || (w->then == CUBLASLT_EPILOGUE_BIAS && w->bias), "a bias that is not there");
	must((uintptr_t)w->bias % 16 == 0, "a bias that does not lie at a multiple of 16 bytes");
	must(work && (uintptr_t)work % 256 == 0, "the workspace");
	const struct job p = {*w, *A, *B, *D, {a, b}, d, work, workspace, *(const float *)beta};

	return sim_put(s, "product", multiply, &p, sizeof p) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
