# A cross-validation: a network a fold, post-processing only where the folds say it helps, the ensemble of all folds on cases that none has seen, a table.
#
#     make -f cross-validate.mk                             phantoms, in minutes
#     make -f cross-validate.mk DATA=scans OUT=cv FOLDS=5   your own
#     make -f cross-validate.mk fold-3                      one fold alone; before several at once: prepared (slurm/folds.sh)
#
# DATA     a directory of ID_ct and ID_gtv files (.nii.gz, .nrrd, .mhd), of ID/ct and ID/gtv, or MSD's with imagesTr and labelsTr; empty:
#          phantoms are drawn. Several channels as hackathon.mk has them
# OUT      where everything goes (cross-validate-SIZE)
# FOLDS    how many (5); dealt as nnU-Net deals them with SPLIT 12345
# SPLIT    seed of the folds (12345)
# SPLITS   nnU-Net's splits_final.json, whose first FOLDS folds are taken instead; of cases that TEST sets aside nothing
# TEST     per cent of the cases that no fold sees, for the ensemble (20)
# NET      unet, resenc, swinunetr: the network (resenc)
# LOSS     its loss (dicece)
# WINDOWS  options of seg-window (--overlap 0.5)
# SIZE     small, medium, large: minutes, an hour, a day on two cores; sets what follows
# CASES, VSIZE, VOLUME   phantoms to draw, their voxels, range of a tumour's volume in mL
# SPACING, NORMALIZATION, PATCH, STEPS, BATCH, EVERY, RATE, NET_..., AUGMENT, SEED, REGIONS, PLAN, RUN   as hackathon.mk has them
#
# What is changed remakes what hangs on it; make -j N runs N folds at once; what was interrupted goes on.
NAME    := cross-validate
LEAST   := $(shell echo $$(($(or $(FOLDS),5) + 1)))
HERE    := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))
FOLDS   ?= 5
SPLIT   ?= 12345
TEST    ?= 20
VAL     := 0
NET     ?= resenc
LOSS    ?= dicece
WINDOWS ?= --overlap 0.5

.DEFAULT_GOAL := all
include $(HERE)experiment.mk

ifeq ($(filter help,$(MAKECMDGOALS)),)
value_kind := $(call stamp,kind,$(NET) $(LOSS))
value_windows := $(call stamp,windows,$(WINDOWS))
endif

all: $(OUT)/table.tsv
	@column -t -s $$'\t' $<; echo "post-processing: $$(cat $(OUT)/components)"

prepared: $(OUT)/prepared/train-crop.ts

# -- folds -------------------------------------------------------------------------
$(folds:%=fold-%): fold-%: $(OUT)/fold/%/pred.ts

$(OUT)/fold/%/train.ts: $(OUT)/prepared/train-crop.ts $(value_fold) $(SPLITS)
	@$(begin); ts-select --not $(call fold_of,$*) -o $@ $<
$(OUT)/fold/%/val.ts: $(OUT)/prepared/train-crop.ts $(value_fold) $(SPLITS)
	@$(begin); ts-select $(call fold_of,$*) -o $@ $<
$(OUT)/fold/%/model.ts: $(OUT)/fold/%/train.ts $(OUT)/fold/%/val.ts $(value_train) $(value_aug) $(value_kind) $(OUT)/values/net-$(NET)
	$(call train,$(NET),$(LOSS),$(AUGMENT),$<,$(word 2,$^))
$(OUT)/fold/%/pred.ts: $(OUT)/fold/%/model.ts $(OUT)/fold/%/val.ts $(value_windows)
	@$(begin); ts-select --drop label $(OUT)/fold/$*/val.ts | seg-window -m $< $(WINDOWS) | nii-invert -o $@

# -- what helps, the ensemble, the table --------------------------------------------
$(OUT)/cv.ts: $(folds:%=$(OUT)/fold/%/pred.ts)
	@cat $^ >$@
$(OUT)/components: $(OUT)/cv.ts $(OUT)/train.tsv
	@$(begin); $(HERE)choose-components.sh $(regions) -d $(OUT)/chosen -L $(OUT)/train.tsv $< >$@

chosen = eval "$$(cat $(OUT)/components)"
$(OUT)/cv.tsv: $(OUT)/cv.ts $(OUT)/components
	$(call score,$<,$(chosen),$(OUT)/masks/cv,$(OUT)/train.tsv,some)
$(OUT)/fold/%/scores.tsv: $(OUT)/fold/%/pred.ts $(OUT)/components
	$(call score,$<,$(chosen),$(OUT)/masks/fold-$*,$(OUT)/train.tsv,some)
$(OUT)/test.ts: $(OUT)/test.tsv $(folds:%=$(OUT)/fold/%/model.ts) $(value_windows) $(files_test)
	@$(begin); awk -F'\t' -v OFS='\t' '{ $$3 = ""; print }' $< | nii-read -L - | nii-replay -m $(word 2,$^) | seg-window $(folds:%=-m $(OUT)/fold/%/model.ts) $(WINDOWS) | nii-invert -o $@
$(OUT)/test-scores.tsv: $(OUT)/test.ts $(OUT)/components
	$(call score,$<,$(chosen),$(OUT)/masks/test,$(OUT)/test.tsv,some)

# A row a label of a fold, of all folds, and of the ensemble: number of cases, the mean of some of seg-score's columns, and the Dice's interval.
rows := $(folds:%=$(OUT)/fold/%/scores.tsv) $(OUT)/cv.tsv $(OUT)/test-scores.tsv
$(OUT)/table.tsv: $(rows)
	@$(begin)
	{ printf 'cases of\tn\tdice\tdice_low\tdice_high\tvolume_error\terror_axial_clipped\tlabel\n'; n=0
	for s in $^; do
		case $$s in */cv.tsv) name="all folds" ;; */test-scores.tsv) name="ensemble, test" ;; *) name="fold $$((n++))" ;; esac
		awk -F'\t' -v OFS='\t' -v name="$$name" '
			NR == 1 { for (i = 1; i <= NF; i++) c[$$i] = i; n = 0 }
			$$1 == "mean" { labels[++n] = $$c["label"] }
			{ row[$$1, $$c["label"]] = $$0 }
			function of(what, column,  f) { return split(row[what, label], f, "\t") && f[c[column]] != "" ? f[c[column]] : "-" }
			END { for (i = 1; i <= n; i++) { label = labels[i]; print name, of("count", "dice"), of("mean", "dice"), of("ci_low", "dice"),
				of("ci_high", "dice"), of("mean", "volume_error"), of("mean", "error_axial_clipped"), label } }' $$s
	done; } >$@
	$(call told,$^)

.PHONY: all prepared $(folds:%=fold-%)
