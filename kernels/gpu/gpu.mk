# niipipe-cuda.so: kernels/gpu, its texts by nvcc, the rest by gcc. build/sim/niipipe-cuda.so: the same texts by gcc, this machine in a GPU's place (tests/sim).
NVCC   ?= $(firstword $(wildcard /usr/local/cuda/bin/nvcc) $(shell command -v nvcc))
CUDA   ?= $(if $(NVCC),1,0)
CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(NVCC))
G_HOST := backend kernels conv conv_few conv_narrow tune
G_CUDA := cuda lines
G_LIBS := cudnn product
G_EACH := table
G_ONCE := plain fold loss loss_few window window_gather
G_TEXT := $(filter-out $(G_HOST) $(G_CUDA) $(G_LIBS) $(G_ONCE) $(G_EACH),$(patsubst kernels/gpu/%.c,%,$(wildcard kernels/gpu/*.c)))
G_BASE := $(B)/kobj/kernels/geom.o $(B)/kobj/lib/base/err.o $(B)/kobj/lib/base/mem.o
# One PTX for all: of compute_90's ptxas makes, to the instruction, the same for sm_90 (2026-11-27), in a third more time.
G_ARCH := -gencode arch=compute_80,code=[sm_80,sm_90,compute_80]
G_NV   := -x cu -std=c++17 -I. -O3 $(G_ARCH) -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-threadsafe-statics,-Wall -MMD -MP
G_CC    = -std=c11 -I. $(WARN) -fopenmp -D_DEFAULT_SOURCE -MMD -MP -O2 -fPIC -fvisibility=hidden -ffp-contract=off
# Every access of a kernel calls the wall (tests/sim/wall.c).
G_SEEN := -fsanitize=kernel-address --param asan-instrumentation-with-call-threshold=0 --param asan-stack=0 --param asan-globals=0

ifeq ($(CUDA),1)
all: $(B)/bin/niipipe-cuda.so
endif

$(B)/gpu/f32/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,NVCC,$<)$(NVCC) $(G_NV) -c -o $@ $<

$(B)/gpu/bf16/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,NVCC,$<)$(NVCC) $(G_NV) -DK_HALF -c -o $@ $<

$(B)/gpu/host/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(G_CC) -isystem $(CUDA_HOME)/include $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/gpu/half/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(G_CC) -DK_HALF $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/bin/niipipe-cuda.so: $(G_TEXT:%=$(B)/gpu/f32/%.o) $(G_TEXT:%=$(B)/gpu/bf16/%.o) $(G_ONCE:%=$(B)/gpu/f32/%.o) $(G_HOST:%=$(B)/gpu/host/%.o) $(G_EACH:%=$(B)/gpu/host/%.o) $(G_EACH:%=$(B)/gpu/half/%.o) \
		$(G_CUDA:%=$(B)/gpu/host/%.o) $(G_LIBS:%=$(B)/gpu/host/%.o) $(G_BASE)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared $(LDFLAGS) -o $@ $^ -L$(CUDA_HOME)/lib64 -lcudnn -lcublasLt -lcudart_static -lrt -lpthread -ldl -lm

# -- in a GPU's place: the calls of cuDNN and cuBLASLt, too, where their headers are --
S_INC  := -isystem $(if $(filter 1,$(CUDA)),$(CUDA_HOME)/include,tests/sim/none)
S_LIBS := $(if $(filter 1,$(CUDA)),$(G_LIBS:%=$(B)/gpu/host/%.o) $(B)/gpu/sim/cudnn.o $(B)/gpu/sim/blas.o,$(B)/gpu/sim/none/libraries.o)
S_REST := $(G_CUDA:%=$(B)/gpu/sim/run/%.o) $(B)/gpu/sim/memory.o $(B)/gpu/sim/stream.o $(B)/gpu/sim/team.o $(B)/gpu/sim/wall.o

$(B)/gpu/sim/f32/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(G_CC) $(G_SEEN) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/gpu/sim/bf16/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(G_CC) $(G_SEEN) -DK_HALF $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/gpu/sim/run/%.o: kernels/gpu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(G_CC) $(S_INC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/gpu/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(G_CC) -O3 -ftls-model=initial-exec $(S_INC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/sim/niipipe-cuda.so: $(G_TEXT:%=$(B)/gpu/sim/f32/%.o) $(G_TEXT:%=$(B)/gpu/sim/bf16/%.o) $(G_ONCE:%=$(B)/gpu/sim/f32/%.o) \
		$(G_HOST:%=$(B)/gpu/sim/f32/%.o) $(G_EACH:%=$(B)/gpu/sim/f32/%.o) $(G_EACH:%=$(B)/gpu/sim/bf16/%.o) $(S_LIBS) $(S_REST) $(G_BASE)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared -fopenmp -Wl,-z,defs $(LDFLAGS) -o $@ $^ -lm

# Which plans the real cuDNN has for a device that is not here
$(B)/sim/plans: $(B)/gpu/sim/plans/plans.o $(B)/gpu/host/cudnn.o $(B)/kobj/lib/base/err.o $(B)/kobj/lib/base/mem.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -L$(CUDA_HOME)/lib64 -Wl,-rpath,$(CUDA_HOME)/lib64 -lcudnn -lm

ifeq ($(CUDA),1)
unit: $(B)/sim/plans
endif

-include $(shell find $(B)/gpu -name '*.d' 2>/dev/null)
