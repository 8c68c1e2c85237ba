# The backends: shared objects that tools load when they need one. oneDNN is linked here and nowhere else.
# Own kernels are compiled once for each instruction set level and type of activations (kernels/cpu.h), the rest once.
K_ONCE   := kernels/backend_cpu.c kernels/conv.c kernels/geom.c kernels/loss_overlap.c kernels/onednn.c kernels/window.c kernels/window_decide.c kernels/window_gather.c kernels/window_doubt.c kernels/window_head.c kernels/label.c
K_EACH   := $(filter-out $(K_ONCE),$(KERNELS))
K_BOTH   := $(filter-out kernels/cubes.c kernels/loss.c kernels/optim.c,$(K_EACH))
K_LEVELS := $(if $(findstring x86_64,$(shell $(CC) -dumpmachine 2>&1)),plain v3 v4,plain)
K_HALVES := $(K_LEVELS:%=%_half) $(if $(filter v4,$(K_LEVELS)),v4b_half)
K_FLAGS  := -std=c11 -I. $(WARN) -fopenmp -fno-math-errno -fno-trapping-math -D_DEFAULT_SOURCE -MMD -MP -O3 $(VECTORIZE) -fPIC -fvisibility=hidden $(if $(filter v3,$(K_LEVELS)),-DK_LEVELS_X86)
K_v3     := -march=x86-64-v3
K_v4     := -march=x86-64-v4 -mprefer-vector-width=512
K_plain_half := -DK_HALF
K_v3_half    := $(K_v3) -DK_HALF
K_v4_half    := $(K_v4) -DK_HALF
K_v4b_half   := $(K_v4) -mavx512bf16 -DK_HALF
KOBJ     := $(K_ONCE:%.c=$(B)/kobj/%.o) $(foreach l,$(K_LEVELS),$(K_EACH:%.c=$(B)/kobj/$(l)/%.o)) $(foreach l,$(K_HALVES),$(K_BOTH:%.c=$(B)/kobj/$(l)/%.o)) $(B)/kobj/lib/base/err.o $(B)/kobj/lib/base/mem.o

define k_level
$(B)/kobj/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)$$(CC) $$(K_FLAGS) $$(FUSED) $$(CPPFLAGS) $$(CFLAGS) $$(K_$(1)) -DK_LEVEL=$(1) -c -o $$@ $$<
endef
$(foreach l,$(K_LEVELS) $(K_HALVES),$(eval $(call k_level,$(l))))

$(B)/kobj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(K_FLAGS) -ffp-contract=off $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Another oneDNN than the system's: make DNNL=DIR, which has include/ and lib/. The file dnnl is new where the answer has changed.
comma := ,
D_INC := $(if $(DNNL),-I$(abspath $(DNNL))/include)
D_LIB := $(if $(DNNL),-L$(abspath $(DNNL))/lib -Wl$(comma)-rpath$(comma)$(abspath $(DNNL))/lib) -ldnnl

$(B)/dnnl: $(if $(filter-out x$(DNNL),x$(file <$(B)/dnnl)),always)
	@mkdir -p $(@D)
	@echo '$(DNNL)' >$@

$(B)/kobj/kernels/onednn.o: CPPFLAGS := $(D_INC) $(CPPFLAGS)
$(B)/kobj/kernels/onednn.o: $(B)/dnnl

$(B)/bin/niipipe-cpu.so: $(KOBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared -fopenmp $(LDFLAGS) -o $@ $^ $(D_LIB) -lm

-include $(shell find $(B)/kobj -name '*.d' 2>/dev/null)

# Speed of the kernels (NIIPIPE_BACKENDS says where the shared object is)
$(B)/bench/kernels: $(B)/obj/tests/bench/kernels.o $(B)/kobj/kernels/onednn.o $(B)/libniipipe.a $(B)/bin/niipipe-cpu.so
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -fopenmp -Wl,--as-needed $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(D_LIB) $(LIBS)
