# nnU-Net's whole way: plans, folds of every configuration, the cascade among them, the best one or ensemble of two, post-processing where the folds say
# it helps.
#
#     make -f nnunet.mk DATA=Dataset501_Two CONFIGURATIONS="2d 3d_fullres 3d_lowres 3d_cascade_fullres"
#     best.sh -d masks nnunet-small cases.tsv                     then: masks of other cases
#     make -f nnunet.mk nnunet-small/2d/fold/3/scores.ts          one fold of one configuration alone, as a job of a cluster
#
# DATA     nnU-Net's data set: imagesTr, labelsTr and, for names of channels, regions, an ignore label, dataset.json; or as hackathon.mk has it;
#          empty: phantoms are drawn
# OUT      where everything goes (nnunet-SIZE): the scores of every voxel, which ensembles are made of, take most of it
# CONFIGURATIONS  of the plan (3d_fullres); 3d_cascade_fullres brings 3d_lowres, whose masks of each case, by the fold that has not seen it, it refines
# FOLDS    how many (5); dealt as nnU-Net deals them with SPLIT 12345
# SPLIT    seed of the folds (12345)
# SPLITS   splits_final.json, whose first FOLDS folds are taken instead
# STEPS    of each training (250000, 1000 epochs of nnU-Net; of phantoms 500)
# PLANNING options of seg-plan (--planner nnunet), as --planner resenc-l --memory 24
# WINDOWS  options of seg-window (--overlap 0.5 --grid nnunet --mode nnunet)
# FLIPS    axes along which volumes are flipped for the mean of what is predicted (xyz); none: as nnU-Net with --disable_tta
# TRAIN    further options of seg-train, as --device cuda --precision bf16
# SIZE     small, medium, large: what phantoms there are
# CASES, VSIZE, VOLUME, SPACING, NORMALIZATION, SEED, REGIONS, PLAN, RUN   as hackathon.mk has them
#
# What is changed remakes what hangs on it; make -j N runs N folds at once; what was interrupted goes on.
NAME    := nnunet
LEAST   := $(or $(FOLDS),5)
HERE    := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))
CONFIGURATIONS ?= 3d_fullres
FOLDS   ?= 5
SPLIT   ?= 12345
TEST    := none
VAL     := 0
PLANNING ?= --planner nnunet
WINDOWS ?= --overlap 0.5 --grid nnunet --mode nnunet
FLIPS   ?= xyz
TRAIN   ?=
STEPS   ?= $(if $(DATA),250000,500)
ifeq ($(origin REGIONS),undefined)
REGIONS := $(if $(DATA),$(shell grep -ls '"regions_class_order"' $(DATA)/dataset.json))
endif

# What the plan or nnU-Net's recipe says, and what there is none of.
not_here := PATCH BATCH RATE EVERY AUGMENT TEST VAL NET_unet NET_resenc NET_swinunetr
$(foreach v,$(not_here),$(if $(filter command,$(origin $v)),$(error nnunet.mk: $v has no meaning here: the plan says it, or there is none)))

.DEFAULT_GOAL := all
include $(HERE)experiment.mk

confs := $(if $(filter 3d_cascade_fullres,$(CONFIGURATIONS)),$(if $(filter 3d_lowres,$(CONFIGURATIONS)),,3d_lowres)) $(CONFIGURATIONS)
ifeq ($(filter help,$(MAKECMDGOALS)),)
value_windows := $(call stamp,windows,$(WINDOWS) $(FLIPS))
value_steps   := $(call stamp,steps,$(STEPS) $(SEED) $(TRAIN))
value_confs   := $(call stamp,confs,$(confs))
endif

all: $(OUT)/table.tsv $(OUT)/components
	@column -t -s $$'\t' $<; echo "best: $$(cat $(OUT)/best)"; echo "post-processing: $$(cat $(OUT)/components)"

# The highest label that counts, the one that is ignored or 0, the axes that slices of a 2d are flipped along.
$(OUT)/labels: $(OUT)/plan.json $(described) $(value_windows)
	@$(begin); labels=$$(cat $(described) </dev/null | tr -d '\n\r' | sed -nE 's/.*"labels"[^{]*\{([^}]*)\}.*/\1/p')
	ignore=$$(grep -oE '"ignore" *: *[0-9]+' <<<"$$labels" | grep -oE '[0-9]+$$' || echo 0)
	most=$$(sed -E 's/"([^"\\]|\\.)*" *://g' <<<"$$labels" | grep -oE '[0-9]+' | grep -vx "$$ignore" | sort -n | tail -n 1) ||
		most=$$(tr -d ' \n' <$< | sed -nE 's/.*"niipipe":.*"classes":([0-9]+).*/\1/p' | awk '{ print $$1 - 1 }')
	[ -n "$$most" ] || { echo "$<: does not say how many classes there are, and there is no dataset.json" >&2; exit 1; }
	tr -d ' \n' <$< | grep -qF '"transpose_forward":[0,1,2]' && flips=$(FLIPS:xyz=xy) || flips=$(FLIPS)
	echo "$$most $$ignore $$flips" >$@
read := read -r most ignore flips <$(OUT)/labels
ignored := $$(awk '$$2 { print "--ignore-label " $$2 }' $(OUT)/labels)
regions += $(ignored)

# -- a configuration $1: prepared, its folds, what they say of the cases they have not seen --
define configuration
$(OUT)/$1/prepared.ts: $(OUT)/train.tsv $(OUT)/plan.json $(files_train) $(if $(filter 3d_cascade_fullres,$1),$(OUT)/3d_lowres/cv.tsv)
	@$$(begin); nii-read -L $$< $$(described:%=--channels %) $(if $(filter 3d_cascade_fullres,$1),--with previous=$(OUT)/3d_lowres/masks) | nii-crop --nonzero |
		nii-normalize --plan $(OUT)/plan.json --configuration $1 | nii-resample --plan $(OUT)/plan.json --configuration $1 -o $$@
$(OUT)/$1/fold/%/train.ts: $(OUT)/$1/prepared.ts $(value_fold) $(SPLITS)
	@$$(begin); ts-select --not $$(call fold_of,$$*) -o $$@ $$<
$(OUT)/$1/fold/%/val.ts: $(OUT)/$1/prepared.ts $(value_fold) $(SPLITS) $(OUT)/labels
	@$$(begin); $$(read); ts-select --drop label $$(call fold_of,$$*) $$< $(if $(filter 3d_cascade_fullres,$1),| nii-onehot --classes "$$$$most") -o $$@
$(OUT)/$1/fold/%/model.ts: $(OUT)/$1/fold/%/train.ts $(OUT)/labels $(value_steps) $(wildcard $(REGIONS))
	@$$(begin); $$(read); how="--plan $(OUT)/plan.json --configuration $1 $(REGIONS:%=--regions %) $$(ignored)"
	$(RUN) $(HERE)train.sh -d $$(@D) -n 1000000000 --patch "$$$$how --seed $(SEED)" --augment "--preset nnunet --seed $(SEED)" \
		$(if $(filter 3d_cascade_fullres,$1),--onehot "$$$$most") --train "$$$$how $(if $(REGIONS),,--classes $$$$((most + 1))) --recipe nnunet --steps $(STEPS) --seed $(SEED) $(TRAIN)" $$<
$(OUT)/$1/windows: $(OUT)/labels
	@$$(begin); $$(read); echo "$(WINDOWS) --mirror $(if $(filter 2d,$1),$$$$flips,$(FLIPS))" >$$@
$(OUT)/$1/fold/%/scores.ts: $(OUT)/$1/fold/%/model.ts $(OUT)/$1/fold/%/val.ts $(OUT)/$1/windows
	@$$(begin); seg-window -m $$< $$$$(cat $(OUT)/$1/windows) --output logits $(OUT)/$1/fold/$$*/val.ts | nii-invert -o $$@
$(OUT)/$1/cv.ts: $(folds:%=$(OUT)/$1/fold/%/scores.ts)
	@$$(begin); cat $$^ | seg-argmax -o $$@
endef
$(foreach c,$(confs),$(eval $(call configuration,$c)))

# -- ensembles of two, scores, the best ------------------------------------------------
pairs := $(foreach a,$(confs),$(foreach b,$(wordlist 2,$(words $(confs)),$(shell printf '%s\n' $(confs) | sed -n '/^$a$$/,$$p')),$a+$b))
define ensemble
$(OUT)/$1/cv.ts: $(foreach c,$(subst +, ,$1),$(folds:%=$(OUT)/$c/fold/%/scores.ts))
	@$$(begin); seg-argmax --mean prob $(foreach c,$(subst +, ,$1),<(cat $(folds:%=$(OUT)/$c/fold/%/scores.ts))) -o $$@
endef
$(foreach p,$(pairs),$(eval $(call ensemble,$p)))

$(OUT)/%/cv.tsv: $(OUT)/%/cv.ts $(OUT)/labels
	$(call score,$<,cat,$(OUT)/$*/masks,$(OUT)/train.tsv,some)
tables := $(patsubst %,$(OUT)/%/cv.tsv,$(confs) $(pairs))
$(OUT)/table.tsv: $(tables) $(value_confs)
	@$(begin); printf 'configuration\tdice\n' >$@
	for t in $(tables); do
		awk -F'\t' -v OFS='\t' -v name="$$(basename "$$(dirname "$$t")")" 'NR == 1 { for (i = 1; i <= NF; i++) c[$$i] = i }
			$$1 == "mean" && $$c["dice"] != "nan" { s += $$c["dice"]; n++ } END { print name, n ? s / n : "nan" }' "$$t"
	done >>$@
	$(call told,$(tables))
$(OUT)/best: $(OUT)/table.tsv
	@$(begin); awk -F'\t' 'NR > 1 && (best == "" || $$2 > most) { best = $$1; most = $$2 } END { print best }' $< >$@
$(OUT)/components: $(OUT)/best $(OUT)/train.tsv
	@$(begin); $(HERE)choose-components.sh $(regions) -d $(OUT)/chosen -L $(OUT)/train.tsv $(OUT)/$$(cat $<)/cv.ts >$@

.PHONY: all
