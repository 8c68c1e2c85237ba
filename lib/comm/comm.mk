# What carries gradients between ranks: shared objects that seg-train loads when a launcher started it. Built where MPI and NCCL are found; MPI=0, NCCL=0: not.
MPICC   ?= mpicc
MPI     ?= $(if $(shell command -v $(MPICC) 2>/dev/null),1,0)
CUDA_HOME ?= /usr/local/cuda
NCCL    ?= $(if $(wildcard $(CUDA_HOME)/include/nccl.h),1,0)
COMM_SO := $(if $(filter 1,$(MPI)),$(B)/bin/niipipe-mpi.so) $(if $(filter 1,$(NCCL)),$(B)/bin/niipipe-nccl.so)
COMM_FLAGS := -std=c11 -I. $(WARN) -O3 -fPIC -fvisibility=hidden -D_DEFAULT_SOURCE -MMD -MP

all: $(COMM_SO) comm-missing

comm-missing:
	@$(if $(QUIET)$(filter 1,$(MPI)),:,echo "niipipe-mpi.so, for several ranks, is not built: no $(MPICC), or MPI=0")
	@$(if $(QUIET)$(filter 1,$(NCCL)),:,echo "niipipe-nccl.so, for several GPUs, is not built: no $(CUDA_HOME)/include/nccl.h, or NCCL=0")
.PHONY: comm-missing

$(B)/cobj/lib/base/err.o: lib/base/err.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(COMM_FLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/cobj/lib/comm/mpi.o: lib/comm/mpi.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(COMM_FLAGS) $(shell $(MPICC) --showme:compile) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/bin/niipipe-mpi.so: $(B)/cobj/lib/comm/mpi.o $(B)/cobj/lib/base/err.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared $(LDFLAGS) -o $@ $^ $(shell $(MPICC) --showme:link) -ldl

$(B)/cobj/lib/comm/nccl.o: lib/comm/nccl.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(COMM_FLAGS) -isystem $(CUDA_HOME)/include $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/bin/niipipe-nccl.so: $(B)/cobj/lib/comm/nccl.o $(B)/cobj/lib/base/err.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared $(LDFLAGS) -o $@ $^ -L$(CUDA_HOME)/lib64 -L$(CUDA_HOME)/lib -lnccl -lcudart

# -- in GPUs' place (tests/sim): NCCL's calls by files --
ifeq ($(NCCL),1)
unit: $(B)/sim/niipipe-nccl.so
endif

$(B)/cobj/tests/sim/nccl/nccl.o: tests/sim/nccl/nccl.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(COMM_FLAGS) -isystem $(CUDA_HOME)/include $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/sim/niipipe-nccl.so: $(B)/cobj/lib/comm/nccl.o $(B)/cobj/tests/sim/nccl/nccl.o $(B)/cobj/lib/base/err.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared $(LDFLAGS) -o $@ $^

-include $(shell find $(B)/cobj -name '*.d' 2>/dev/null)
