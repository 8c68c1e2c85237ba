# niipipe. `make demo`, `make check`: each brings what it needs. CFLAGS, LDFLAGS, DESTDIR, PREFIX, MANDIR, CUDA=0|1, MPI=0|1, NCCL=0|1, DNNL=DIR (kernels/kernels.mk) from outside.
# A line a file; make V=1 shows the commands, make -s nothing.
SHELL  := /bin/bash
B      := build
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
CFLAGS ?= -O3
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

VERSION := $(shell sed -n 's/.*NIIPIPE_VERSION "\(.*\)".*/\1/p' lib/base/version.h)
APART   := lib/comm/mpi.c lib/comm/nccl.c
TOOLS   := $(patsubst tools/%.c,%,$(wildcard tools/*.c))
LIB     := $(filter-out $(APART),$(wildcard lib/*/*.c lib/*/*/*.c))
KERNELS := $(wildcard kernels/*.c)
UNIT    := $(patsubst tests/unit/%.c,$(B)/test/%,$(wildcard tests/unit/*.c))
BENCH   := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wno-missing-field-initializers
# gcc, or clang for all but tests/sim, whose texts have functions in functions. FUSED: products and sums in one, of clang within an expression only: else
# it does differently what is to be the same.
CLANG     := $(findstring clang,$(shell $(CC) --version 2>&1))
VECTORIZE := -ftree-vectorize $(if $(CLANG),-Wno-pass-failed,-fvect-cost-model=dynamic)
FUSED     := -ffp-contract=$(if $(CLANG),on,fast)
CF    = -std=c11 -I. $(WARN) -fopenmp $(VECTORIZE) -ffp-contract=off -fno-math-errno -fno-trapping-math -D_FILE_OFFSET_BITS=64 -D_DEFAULT_SOURCE -MMD -MP
LIBS := -ljansson -lyaml -lnifti2 -lznz -lisal -lz -lpng -lm -ldl
INC  := -I/usr/include/nifti

QUIET := $(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS))))
# What a reader types builds on all processors.
JOBS    = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
say    = $(if $(QUIET)$(filter 1,$(V)),,@printf '  %-4s %s\n' $1 $2;)

all: $(TOOLS:%=$(B)/bin/%) $(B)/bin/niipipe-cpu.so $(B)/completion

# -- build ------------------------------------------------------------------
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CF) -O3 $(INC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/libniipipe.a: $(LIB:%.c=$(B)/obj/%.o)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

# The libraries that make dist takes along come first: also what libraries and backends need themselves, so RPATH, not RUNPATH. Debian's libnifti2 has
# $ORIGIN/../lib of its own, which in this folder is itself.
BESIDE := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../lib/niipipe/lib'
$(B)/bin/%: $(B)/obj/tools/%.o $(B)/libniipipe.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -fopenmp -Wl,--as-needed -Wl,-z,now $(BESIDE) $(LDFLAGS) -o $@ $^ $(LIBS)

# What bash completes, of what --help says
$(B)/completion: tools/completion.sh $(TOOLS:%=$(B)/bin/%)
	$(call say,GEN,$@)tools/completion.sh $(B)/bin $(TOOLS) >$@

$(B)/obj/lib/volume/report/report_files.o: lib/volume/report/report.css lib/volume/report/report.js pipelines/curves.gp

include kernels/kernels.mk
include kernels/gpu/gpu.mk
include lib/comm/comm.mk

$(B)/test/%: $(B)/obj/tests/unit/%.o $(B)/libniipipe.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -fopenmp -rdynamic -Wl,--as-needed $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/libniipipe.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -fopenmp -rdynamic -Wl,--as-needed $(LDFLAGS) -o $@ $^ $(LIBS)

# A fuzz target driven by mutations that are always the same
$(B)/mutate/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/mutate.o $(B)/libniipipe.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -fopenmp -Wl,--as-needed $(LDFLAGS) -o $@ $^ $(LIBS)

FUZZ := $(patsubst tests/fuzz/%.c,$(B)/mutate/%,$(filter-out tests/fuzz/mutate.c,$(wildcard tests/fuzz/*.c)))
fuzz: $(FUZZ)

unit: $(UNIT) $(FUZZ) $(B)/bench/best $(B)/bench/share $(B)/bench/feed $(B)/sim/niipipe-cuda.so

# -- what a reader types ------------------------------------------------------
deps:
	@tests/deps.sh

demo: deps
	@$(MAKE) -s $(JOBS) all
	@pipelines/demo.sh

check:
	@tests/deps.sh chromium python3 parallel xxhash
	@$(MAKE) -s $(JOBS) all unit
	@tests/run.sh

# 1730 s of processors, 17 minutes on two (2026-11-26, a Xeon that was not quiet), where check's tests take 9.
check-long:
	@echo 'check-long: all tests, more rounds of some: about 17 minutes on two processors with nothing else to do, once built'
	@tests/deps.sh chromium python3 parallel xxhash
	@$(MAKE) -s $(JOBS) all unit
	@NIIPIPE_LONG=1 tests/run.sh

check-sanitize:
	@tests/deps.sh python3 parallel xxhash
	@tests/sanitize.sh

lint:
	@tests/lint.sh

bench: all $(BENCH)
	@tests/bench/run.sh

# -- install ------------------------------------------------------------------
MAN := $(wildcard man/*.[1-8])
COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/niipipe $(DESTDIR)$(PREFIX)/share/niipipe/pipelines
	install -m 755 $(TOOLS:%=$(B)/bin/%) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard $(B)/bin/niipipe-*.so) $(DESTDIR)$(PREFIX)/lib/niipipe
	install -m 755 $(wildcard pipelines/*.sh) $(DESTDIR)$(PREFIX)/share/niipipe/pipelines
	install -m 644 $(wildcard pipelines/*.bash pipelines/*.mk pipelines/*.gp) $(DESTDIR)$(PREFIX)/share/niipipe/pipelines
	install -d $(DESTDIR)$(PREFIX)/share/niipipe/pipelines/slurm
	install -m 755 $(wildcard pipelines/slurm/*) $(DESTDIR)$(PREFIX)/share/niipipe/pipelines/slurm
	for p in $(MAN); do install -D -m 644 $$p $(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/} || exit 1; done
	install -D -m 644 $(B)/completion $(COMPLETIONS)/niipipe
	for t in $(TOOLS); do ln -sf niipipe $(COMPLETIONS)/$$t || exit 1; done

uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(PREFIX)/bin/%)
	rm -rf $(DESTDIR)$(PREFIX)/lib/niipipe $(DESTDIR)$(PREFIX)/share/niipipe
	rm -f $(COMPLETIONS)/niipipe $(TOOLS:%=$(COMPLETIONS)/%)
	for p in $(MAN); do rm -f $(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/}; done

# One archive that runs from any directory, without a package installed and without root, where the C library is not older than here
DIST := niipipe-$(VERSION)-$(shell uname -s -m | tr 'A-Z ' 'a-z-')
dist: all
	@rm -rf $(B)/dist
	@$(MAKE) -s install DESTDIR=$(B)/dist/ PREFIX=$(DIST) MANDIR=$(DIST)/share/man
	@tools/libraries.sh $(B)/dist/$(DIST)/lib/niipipe/lib $(TOOLS:%=$(B)/bin/%) $(B)/bin/niipipe-cpu.so
	@cp README.md LICENSE $(B)/dist/$(DIST)
	@tar -C $(B)/dist --owner=0 --group=0 -czf $(B)/$(DIST).tar.gz $(DIST)
	@du -h $(B)/$(DIST).tar.gz

clean:
	rm -rf $(B) demo

.PHONY: always all fuzz unit deps demo check check-long check-sanitize lint bench install uninstall dist clean
.SECONDARY:
always:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
