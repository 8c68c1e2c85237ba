/* Has the real cuDNN a plan for each pass of our networks' convolutions on an H100? Asked where there is none: cuDNN makes plans for a device by its
   description. The gradient of bf16 weights in fp32 is asked for too, without a verdict: kernels/gpu/conv.c goes on with bf16.
   Forward with a bias and a data gradient that is added are asked for as well. */
#include <stdio.h>
#include <string.h>

#include "kernels/gpu/cudnn.h"
#include "tests/unit/tap.h"

void *gpu_stream;

/* As cuDNN itself writes it of such a device */
static const char H100[] =
	"{\"version\":1,\"deviceVer\":900,\"smVersion\":900,\"driverVer\":13000,\"cudaDeviceId\":0,\"maxGridSize\":[2147483647,65535,65535],"
	"\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,\"multiProcessorCount\":132,\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152,"
	"\"maxSharedMemoryPerBlockOptin\":232448,\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,"
	"\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":0,\"isTccDriver\":0,\"supportCoopLaunch\":1,\"smClockRateKHz\":1980000,"
	"\"memClockRateKHz\":2619000,\"l2CacheSize\":52428800,\"totalGlobalMem\":85899345920,\"deviceName\":\"NVIDIA H100 80GB HBM3\"}";

#define CUBE(n) {n, n, n}
static const struct { const char *what; struct cudnn_shape s; } shapes[] = {
	{"UNet's first", {1, 1, 16, {160, 160, 64}, {80, 80, 32}, CUBE(3), CUBE(2), CUBE(1), 1, 16, 0, 0, 0}},
	{"UNet's second level", {1, 16, 32, {80, 80, 32}, {40, 40, 16}, CUBE(3), CUBE(2), CUBE(1), 16, 32, 0, 0, 0}},
	{"UNet's bottom", {1, 128, 256, CUBE(10), CUBE(10), CUBE(3), CUBE(1), CUBE(1), 128, 256, 0, 0, 0}},
	{"UNet's last upwards, transposed", {1, 2, 32, {160, 160, 64}, {80, 80, 32}, CUBE(3), CUBE(2), CUBE(1), 2, 32, 0, 0, 0}},
	{"UNet's last", {1, 2, 2, {160, 160, 64}, {160, 160, 64}, CUBE(3), CUBE(1), CUBE(1), 2, 2, 0, 0, 0}},
	{"a slice of a concatenation, both ways", {1, 32, 16, {80, 80, 32}, {80, 80, 32}, CUBE(3), CUBE(1), CUBE(1), 48, 32, 0, 0, 0}},
	{"nnU-Net's first", {2, 1, 32, CUBE(128), CUBE(128), CUBE(3), CUBE(1), CUBE(1), 1, 32, 0, 0, 0}},
	{"nnU-Net's first level", {2, 64, 32, CUBE(128), CUBE(128), CUBE(3), CUBE(1), CUBE(1), 64, 32, 0, 0, 0}},
	{"nnU-Net's way down", {2, 128, 256, CUBE(32), CUBE(16), CUBE(3), CUBE(2), CUBE(1), 128, 256, 0, 0, 0}},
	{"nnU-Net's transposed of 2x2x2, into a slice", {2, 32, 64, CUBE(128), CUBE(64), CUBE(2), CUBE(2), CUBE(0), 64, 64, 0, 0, 0}},
	{"anisotropic", {2, 32, 64, {64, 64, 17}, {32, 32, 17}, {3, 3, 1}, {2, 2, 1}, {1, 1, 0}, 32, 64, 0, 0, 0}},
	{"SwinUNETR's patches", {1, 1, 48, CUBE(96), CUBE(48), CUBE(2), CUBE(2), CUBE(0), 1, 48, 0, 0, 0}},
	{"SwinUNETR's first block", {1, 96, 48, CUBE(96), CUBE(96), CUBE(3), CUBE(1), CUBE(1), 96, 48, 0, 0, 0}},
	{"SwinUNETR's bottom", {1, 768, 768, CUBE(3), CUBE(3), CUBE(3), CUBE(1), CUBE(1), 768, 768, 0, 0, 0}},
	{"five channels of odd widths", {1, 5, 7, {9, 10, 11}, {9, 10, 11}, CUBE(3), CUBE(1), CUBE(1), 5, 12, 0, 0, 0}},
};

/* The plan's workspace in MiB, below 0: there is none. fused: with a bias, or adding */
static double plan(struct cudnn_shape s, enum cudnn_pass pass, int bf16, int half_dw, int tf32, int fused, struct err *e)
{
	struct cudnn_conv *c;
	double mb;

	s.bf16 = bf16, s.half_dw = half_dw, s.tf32 = tf32;
	s.bias = fused && pass == CUDNN_PASS_FORWARD, s.add = fused && pass == CUDNN_PASS_DATA;
	c = cudnn_conv_new(&s, pass, 0, NULL, e);
	mb = c ? (double)cudnn_conv_workspace(c) / 1048576 : -1;
	cudnn_conv_free(c);
	return mb;
}

int main(void)
{
	static const char *const passes[] = {"forward", "data", "weights"};
	static const struct { const char *name; int bf16, half_dw, tf32; } kinds[] = {{"fp32", 0, 0, 0}, {"tf32", 0, 0, 1}, {"bf16", 1, 1, 0}};
	struct err e;

	cudnn_elsewhere = H100;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (int pass = 0; pass < 3; pass++) {
			for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
				for (int fused = 0; fused <= (pass < 2); fused++) {
					double mb = plan(shapes[i].s, (enum cudnn_pass)pass, kinds[k].bf16, kinds[k].half_dw, kinds[k].tf32, fused, &e);

					ok(mb >= 0, "%s, %s%s, %s: %.1f MiB of workspace%s%s", shapes[i].what, passes[pass], !fused ? "" : pass ? ", added" : " with a bias",
						kinds[k].name, mb, mb < 0 ? ": " : "", mb < 0 ? e.text : "");
				}
			}
			if (pass == 2)
				printf("# bf16 with the gradient in fp32: %s\n", plan(shapes[i].s, CUDNN_PASS_WEIGHTS, 1, 0, 0, 0, &e) < 0 ? "no" : "yes");
		}
	printf("# cuDNN %s\n", cudnn_version());
	return tap_done();
}
