#include "kernels/backend.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/onednn.h"
#include "kernels/window.h"
#include "lib/base/mem.h"

static void *cpu_alloc(size_t bytes, struct err *e)
{
	return mem_new(bytes, 1, "the cpu device", e);
}

static int cpu_copy(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e)
{
	(void)dir, (void)e;
	if (bytes)
		memcpy(to, from, bytes);
	return 0;
}

/* Large blocks are new memory more often than not: what takes the time is that the system gives it page by page. */
static int cpu_zero(void *p, size_t bytes, struct err *e)
{
	enum { PIECE = 1 << 20 };

	(void)e;
#pragma omp parallel for schedule(static) if (bytes > PIECE)
	for (size_t i = 0; i < bytes; i += PIECE)
		memset((char *)p + i, 0, bytes - i < PIECE ? bytes - i : PIECE);
	return 0;
}

static int any(void)
{
	return 1;
}

#ifdef K_LEVELS_X86
static int has_v3(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static int has_v4(void)
{
	return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
}

static int has_v4b(void)
{
	return has_v4() && __builtin_cpu_supports("avx512bf16");
}
#endif

/* Best first. A name is bf16's level's: of fp32 it may be another's. */
static const struct { const struct cpu_level *fp32, *bf16; int (*has)(void); } levels[] = {
#ifdef K_LEVELS_X86
	{&cpu_level_v4, &cpu_level_v4b_half, has_v4b},
	{&cpu_level_v4, &cpu_level_v4_half, has_v4},
	{&cpu_level_v3, &cpu_level_v3_half, has_v3},
#endif
	{&cpu_level_plain, &cpu_level_plain_half, any},
};
static const struct cpu_level *fp32, *bf16; /* those in use */

/* The best level the processor has, or the one that NIIPIPE_CPU names. */
static int choose(struct err *e)
{
	const char *want = getenv("NIIPIPE_CPU");

#ifdef K_LEVELS_X86
	__builtin_cpu_init();
#endif
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (levels[i].has() && (!want || !strcmp(want, levels[i].bf16->name))) {
			fp32 = levels[i].fp32, bf16 = levels[i].bf16;
			return 0;
		}
	return err_set(e, NULL, "NIIPIPE_CPU=%.40s names no instruction set that this processor has", want);
}

static struct k_conv *conv_new_fp32(const struct k_conv_geom *g, struct err *e)
{
	return conv_new(g, fp32, e);
}

static struct k_conv *conv_new_bf16(const struct k_conv_geom *g, struct err *e)
{
	return conv_new(g, bf16, e);
}

/* The tables are of levels: a sum is that of its type's. */
static int column_sum_fp32(const void *x, int64_t xpitch, int64_t vox, int64_t c, float *out, void *scratch, struct err *e)
{
	(void)e;
	fp32->column_sum(x, xpitch ? xpitch : c, vox, c, out, scratch);
	return 0;
}

static int column_sum_bf16(const void *x, int64_t xpitch, int64_t vox, int64_t c, float *out, void *scratch, struct err *e)
{
	(void)e;
	bf16->column_sum(x, xpitch ? xpitch : c, vox, c, out, scratch);
	return 0;
}

static void fill(struct k_backend *b, const struct cpu_level *l)
{
	*b = (struct k_backend){
		.abi = K_ABI, .name = "cpu", .precision = l->half ? K_BF16 : K_FP32,
		.alloc = cpu_alloc, .release = free, .copy = cpu_copy, .zero = cpu_zero,
		.conv_new = l->half ? conv_new_bf16 : conv_new_fp32, .conv_free = conv_free, .conv_scratch = conv_scratch, .conv_pack = conv_pack,
		.conv_forward = conv_forward, .conv_backward_data = conv_backward_data, .conv_backward_weights = conv_backward_weights,
		.conv_identity = conv_identity,
		.norm_scratch = l->norm_scratch, .norm_forward = l->norm_forward, .norm_backward = l->norm_backward,
		.layer_forward = l->layer_forward, .layer_scratch = l->layer_scratch, .layer_backward = l->layer_backward,
		.across_forward = l->across_forward, .across_backward = l->across_backward,
		.merge_forward = l->merge_forward, .merge_backward = l->merge_backward,
		.pool_forward = l->pool_forward, .pool_backward = l->pool_backward,
		.attention_scratch = l->attention_scratch, .attention_forward = l->attention_forward, .attention_backward = l->attention_backward,
		.scale = l->scale, .drop = l->drop, .gate = l->gate, .gate_back = l->gate_back,
		.slice_copy = l->slice_copy, .to_floats = l->to_floats, .from_floats = l->from_floats,
		.column_scratch = l->column_scratch, .column_sum = l->half ? column_sum_bf16 : column_sum_fp32,
		.label_down = k_label_down, .loss_scratch = fp32->loss_scratch, .loss = fp32->loss,
		.optimize = fp32->optimize, .lerp = fp32->lerp, .sum_squares = fp32->sum_squares,
		.window_gather = k_window_gather, .window_blend = k_window_blend, .window_sum = k_window_sum, .window_head = k_window_head,
		.window_divide = k_window_divide, .window_decide = k_window_decide, .window_spread = k_window_spread,
		.window_doubt = k_window_doubt, .window_count = k_window_count,
	};
	snprintf(b->device, sizeof b->device, "%s%s, %s, %d threads, oneDNN %s", l->name, l->amx && dnn_amx() ? " and AMX" : "",
		l->half ? "bf16" : "fp32", omp_get_max_threads(), dnn_version());
}

__attribute__((visibility("default"))) const struct k_backend *k_backend_get(int abi, int index, enum k_precision precision, struct err *e)
{
	static struct k_backend floats, halves;

	if (abi != K_ABI) {
		err_set(e, NULL, "the cpu backend is of another version (interface %d, expected %d)", K_ABI, abi);
		return NULL;
	}
	if (index) {
		err_set(e, NULL, "there is no cpu device %d", index);
		return NULL;
	}
	if (precision == K_TF32) {
		err_set(e, NULL, "tf32 is a GPU's: the cpu device has fp32 and bf16");
		return NULL;
	}
	if (!fp32) {
		if (choose(e))
			return NULL;
		fill(&floats, fp32), fill(&halves, bf16);
	}
	return precision == K_BF16 || (precision == K_AUTO && bf16->amx && dnn_amx()) ? &halves : &floats;
}
