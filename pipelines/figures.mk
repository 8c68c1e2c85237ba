# Figures for papers out of the tools' tables, by gnuplot: curves of training, box plots of scores.
#
#     make -f figures.mk LOG=train.tsv SCORES="unet.tsv swin.tsv" figures
#
# LOG      seg-train's log: DIR/curves.FORMAT
# SCORES   seg-score's tables, a box each, named after the file: DIR/METRIC.FORMAT
# METRICS  columns of theirs (dice volume_bias error_axial_clipped)
# LABEL    rows of this label alone (all)
# DIR      where they go (figures), each with FIGURE.history: what it was drawn from
# FORMATS  of svg pdf png (svg pdf)
# SIZE     width,height in cm (12,8)
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.SUFFIXES:
.DELETE_ON_ERROR:

HERE    := $(dir $(lastword $(MAKEFILE_LIST)))
LOG     ?=
SCORES  ?=
METRICS ?= dice volume_bias error_axial_clipped
LABEL   ?=
DIR     ?= figures
FORMATS ?= svg pdf
SIZE    ?= 12,8

stems := $(if $(LOG),curves) $(if $(SCORES),$(METRICS))
figures: $(foreach f,$(FORMATS) history,$(stems:%=$(DIR)/%.$f))
	$(if $(LOG)$(SCORES),,@echo "figures.mk: nothing to draw: LOG=train.tsv, SCORES=\"a.tsv b.tsv\" or both" >&2; exit 1)

help:
	@sed -n '/^[^#]/q; s/^# \{0,1\}//p' $(lastword $(MAKEFILE_LIST))

# TABLE -> the columns `want` of its rows that have a number in the last one but the `free` ones; a column that is missing is an error.
define COLUMNS
function die(text) { print "figures.mk: " FILENAME ": " text >"/dev/stderr"; failed = 1; exit 1 }
function number(s) { return s ~ /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$$/ }
BEGIN { FS = OFS = "\t" }
FNR == 1 { split("", c); for (i = 1; i <= NF; i++) c[$$i] = i; summary = 0; files++; rows = 0 }
endef

# The terminal of a format; a time in a PDF would make each run's bytes others.
TERMINAL = echo "$(SIZE)" | awk -F, -v f=$(1) 'NF != 2 || !($$1 > 1 && $$2 > 1) { print "figures.mk: SIZE: $(SIZE) is not WIDTH,HEIGHT in cm" >"/dev/stderr"; exit 1 } \
	f == "svg" { printf "set terminal svg size %d,%d font \"Helvetica,13\"\n", $$1 * 48, $$2 * 48 } \
	f == "pdf" { printf "set terminal pdfcairo size %gcm,%gcm font \"Helvetica,10\"\n", $$1, $$2 } \
	f == "png" { printf "set terminal pngcairo size %d,%d font \"Helvetica,13\"\n", $$1 * 60, $$2 * 60 }'
DRAW     = TZ=UTC gnuplot -d | LC_ALL=C sed -E 's/(CreationDate \(D:)[0-9]{14}/\119700101000000/' >$@

define CURVES
$(COLUMNS)
FNR == 1 { if (!c["step"] || !c["loss"]) die("no column '" (c["step"] ? "loss" : "step") "'"); print "$$log << EOD\nstep\tloss\tval_dice"; next }
number($$c["step"]) && number($$c["loss"]) {
	d = c["val_dice"] && number($$c["val_dice"]) ? $$c["val_dice"] : ""
	validated += d != ""
	print $$c["step"], $$c["loss"], d
	n++
}
END { if (failed) exit 1; if (!n) die("not one step with a loss"); print "EOD\nvalidated = " (validated > 0) }
endef

define BOXES
$(COLUMNS)
FNR == 1 { if (!c[score]) die("no column '" score "'"); if (files == 1) print "score = '" score "'\n$$scores << EOD"; name = FILENAME; sub(/.*\//, "", name); sub(/\.[^.]*$$/, "", name); next }
$$1 == "mean" { summary = 1 } # what follows is no case
!summary && (label == "" || $$c["label"] == label) && number($$c[score]) { print files, name, $$c[score]; n++ }
END { if (failed) exit 1; if (!n) die("not one value of '" score "'"); print "EOD" }
endef
export CURVES BOXES

define RULES
$(DIR)/curves.$(1): $(LOG) $(HERE)curves.gp
	@mkdir -p $$(@D)
	@{ $$(call TERMINAL,$(1)); awk "$$$$CURVES" $(LOG); cat $(HERE)curves.gp; } | $$(DRAW)

$(METRICS:%=$(DIR)/%.$(1)): $(DIR)/%.$(1): $(SCORES) $(HERE)boxes.gp
	@mkdir -p $$(@D)
	@{ $$(call TERMINAL,$(1)); awk -v score='$$*' -v label='$(LABEL)' "$$$$BOXES" $(SCORES); cat $(HERE)boxes.gp; } | $$(DRAW)
endef
$(foreach f,$(FORMATS),$(eval $(call RULES,$f)))

# Where a figure comes from: the line that draws it, the tables' hashes, who drew it
$(DIR)/curves.history: VALUES = LOG='$(LOG)'
$(METRICS:%=$(DIR)/%.history): VALUES = SCORES='$(SCORES)' METRICS=$(notdir $*)$(LABEL:%= LABEL=%)
$(DIR)/curves.history: $(LOG)
$(METRICS:%=$(DIR)/%.history): $(SCORES)
$(stems:%=$(DIR)/%.history): %.history:
	@mkdir -p $(@D)
	@{ echo "make -f figures.mk $(VALUES) FORMATS='$(FORMATS)' SIZE=$(SIZE) figures"; sha256sum $^ | sed 's/^/# /'; gnuplot --version | sed 's/^/## /'; } >$@

.PHONY: figures help
