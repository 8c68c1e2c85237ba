#include "kernels/backend.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/onednn.h"
#include "kernels/window.h"
#include "lib/base/mem.h"

const struct cpu_level *cpu;

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

static int cpu_zero(void *p, size_t bytes, struct err *e)
{
	(void)e;
	if (bytes)
		memset(p, 0, bytes);
	return 0;
}

static struct k_backend table = {
	.abi = K_ABI, .name = "cpu",
	.alloc = cpu_alloc, .release = free, .copy = cpu_copy, .zero = cpu_zero,
	.conv_new = conv_new, .conv_free = conv_free, .conv_scratch = conv_scratch, .conv_pack = conv_pack,
	.conv_forward = conv_forward, .conv_backward_data = conv_backward_data, .conv_backward_weights = conv_backward_weights,
	.label_down = k_label_down,
	.window_gather = k_window_gather, .window_blend = k_window_blend, .window_divide = k_window_divide,
	.window_unsure = k_window_unsure,
};

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
#endif

/* Best first. */
static const struct { const struct cpu_level *level; int (*has)(void); } levels[] = {
#ifdef K_LEVELS_X86
	{&cpu_level_v4, has_v4},
	{&cpu_level_v3, has_v3},
#endif
	{&cpu_level_plain, any},
};

/* The best level the processor has, or the one that NIIPIPE_CPU names. */
static const struct cpu_level *choose(struct err *e)
{
	const char *want = getenv("NIIPIPE_CPU");

#ifdef K_LEVELS_X86
	__builtin_cpu_init();
#endif
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (levels[i].has() && (!want || !strcmp(want, levels[i].level->name)))
			return levels[i].level;
	err_set(e, NULL, "NIIPIPE_CPU=%.40s names no instruction set that this processor has", want);
	return NULL;
}

static void fill(const struct cpu_level *l)
{
	table.norm_scratch = l->norm_scratch, table.norm_forward = l->norm_forward, table.norm_backward = l->norm_backward;
	table.scale = l->scale, table.drop = l->drop, table.gate = l->gate, table.gate_back = l->gate_back;
	table.slice_copy = l->slice_copy;
	table.layer_forward = l->layer_forward, table.layer_scratch = l->layer_scratch, table.layer_backward = l->layer_backward;
	table.merge_forward = l->merge_forward, table.merge_backward = l->merge_backward;
	table.attention_scratch = l->attention_scratch, table.attention_forward = l->attention_forward, table.attention_backward = l->attention_backward;
	table.loss_scratch = l->loss_scratch, table.loss = l->loss;
	table.optimize = l->optimize, table.lerp = l->lerp, table.sum_squares = l->sum_squares;
	snprintf(table.device, sizeof table.device, "%s, %d threads, oneDNN %s", l->name, omp_get_max_threads(), dnn_version());
}

__attribute__((visibility("default"))) const struct k_backend *k_backend_get(int abi, int index, struct err *e)
{
	if (abi != K_ABI) {
		err_set(e, NULL, "the cpu backend is of another version (interface %d, expected %d)", K_ABI, abi);
		return NULL;
	}
	if (index) {
		err_set(e, NULL, "there is no cpu device %d", index);
		return NULL;
	}
	if (!cpu) {
		cpu = choose(e);
		if (!cpu)
			return NULL;
		fill(cpu);
	}
	return &table;
}
