#include "kernels/gpu/product.h"

#include <cublasLt.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu/runtime.h"
#include "lib/base/mem.h"

static const size_t MOST_WORKSPACE = (size_t)32 << 20;

struct product {
	struct product_shape s;
	cublasLtMatmulDesc_t what;
	cublasLtMatrixLayout_t a, b, d;
	cublasLtMatmulHeuristicResult_t how;
};

static cublasLtHandle_t handle;

static int failed(cublasStatus_t r, const char *what, struct err *e)
{
	return err_set(e, NULL, "cuBLASLt %s: %s", what, cublasLtGetStatusString(r));
}

static cudaDataType_t type_of(int half)
{
	return half ? CUDA_R_16BF : CUDA_R_32F;
}

static cublasStatus_t layouts(struct product *p)
{
	const struct product_shape *s = &p->s;
	cublasStatus_t r = cublasLtMatrixLayoutCreate(&p->a, type_of(s->half), (uint64_t)(s->turned_a ? s->k : s->m), (uint64_t)(s->turned_a ? s->m : s->k),
		s->lda);

	r = r ? r : cublasLtMatrixLayoutCreate(&p->b, type_of(s->half), (uint64_t)(s->turned_b ? s->n : s->k),
		(uint64_t)(s->turned_b ? s->k : s->n), s->ldb);
	return r ? r : cublasLtMatrixLayoutCreate(&p->d, type_of(s->half_d), (uint64_t)s->m, (uint64_t)s->n, s->ldd);
}

static cublasStatus_t describe(struct product *p)
{
	const struct product_shape *s = &p->s;
	cublasOperation_t a = s->turned_a ? CUBLAS_OP_T : CUBLAS_OP_N, b = s->turned_b ? CUBLAS_OP_T : CUBLAS_OP_N;
	cublasLtEpilogue_t then = s->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
	cublasStatus_t r = cublasLtMatmulDescCreate(&p->what, s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);

	r = r ? r : cublasLtMatmulDescSetAttribute(p->what, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof a);
	r = r ? r : cublasLtMatmulDescSetAttribute(p->what, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof b);
	return r ? r : cublasLtMatmulDescSetAttribute(p->what, CUBLASLT_MATMUL_DESC_EPILOGUE, &then, sizeof then);
}

/* Of partial sums only those that go through the workspace are added up in the same order every time. */
static cublasStatus_t choose(struct product *p)
{
	static const cublasLtMatmulPreferenceAttributes_t aligns[] = {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
	const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
	cublasLtMatmulPreference_t want = NULL;
	cublasStatus_t r = cublasLtMatmulPreferenceCreate(&want);
	int n = 0;

	r = r ? r : cublasLtMatmulPreferenceSetAttribute(want, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &MOST_WORKSPACE, sizeof MOST_WORKSPACE);
	r = r ? r : cublasLtMatmulPreferenceSetAttribute(want, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes);
	for (int i = 0; i < 4 && !r; i++) {
		uint32_t bytes = (uint32_t)p->s.align[i < 3 ? i : 2];

		r = cublasLtMatmulPreferenceSetAttribute(want, aligns[i], &bytes, sizeof bytes);
	}
	r = r ? r : cublasLtMatmulAlgoGetHeuristic(handle, p->what, p->a, p->b, p->d, p->d, want, 1, &p->how, &n);
	if (want)
		cublasLtMatmulPreferenceDestroy(want);
	return r ? r : n ? p->how.state : CUBLAS_STATUS_NOT_SUPPORTED;
}

struct product *product_new(const struct product_shape *s, struct err *e)
{
	struct product *p = mem_zero(1, sizeof *p, "a matrix product", e);
	cublasStatus_t r = p && !handle ? cublasLtCreate(&handle) : CUBLAS_STATUS_SUCCESS;

	if (!p)
		return NULL;
	p->s = *s;
	if (r)
		failed(r, "does not start", e);
	else if ((r = layouts(p)) || (r = describe(p)) || (r = choose(p)))
		failed(r, "has no such product", e);
	else
		return p;
	product_free(p);
	return NULL;
}

void product_free(struct product *p)
{
	if (!p)
		return;
	if (p->a)
		cublasLtMatrixLayoutDestroy(p->a);
	if (p->b)
		cublasLtMatrixLayoutDestroy(p->b);
	if (p->d)
		cublasLtMatrixLayoutDestroy(p->d);
	if (p->what)
		cublasLtMatmulDescDestroy(p->what);
	free(p);
}

size_t product_workspace(const struct product *p)
{
	return p->how.workspaceSize;
}

int product_run(struct product *p, const void *a, const void *b, const void *bias, void *d, void *workspace, struct err *e)
{
	const float one = 1, beta = p->s.add ? 1 : 0;
	cublasStatus_t r = p->s.bias ? cublasLtMatmulDescSetAttribute(p->what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
		sizeof bias) : CUBLAS_STATUS_SUCCESS;

	r = r ? r : cublasLtMatmul(handle, p->what, &one, a, p->a, b, p->b, &beta, d, p->d, d, p->d, &p->how.algo, workspace,
		p->how.workspaceSize, gpu_stream);
	return r ? failed(r, "fails in a product", e) : 0;
}
