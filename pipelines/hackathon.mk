# The hackathon's experiment from a directory of CTs and masks to scores: split, plan, prepare, train, segment, post-process, score, report.
#
#     make -f hackathon.mk                        phantoms, in minutes
#     make -f hackathon.mk DATA=scans OUT=result  your own
#     make -f hackathon.mk ablations              a table: what each choice is worth
#
# DATA     a directory of ID_ct and ID_gtv files (.nii.gz, .nrrd, .mhd), of ID/ct and ID/gtv, or MSD's with imagesTr and labelsTr; empty:
#          phantoms are drawn. Several channels: ID_pet, ID/pet; nnU-Net's ID_0000, ID_0001, ... in imagesTr
# OUT      where everything goes (hackathon-SIZE)
# SIZE     small, medium, large: minutes, an hour, a day on two cores; sets what follows
# CASES    phantoms to draw
# VSIZE    their voxels
# VOLUME   range of a tumour's volume, mL
# SPACING  target spacing, mm (the data set's median)
# NORMALIZATION  a word for all channels or one for each, as seg-plan's --normalization (ct)
# PATCH    size of a patch, voxels, multiples of 32 for SwinUNETR
# STEPS    training steps, BATCH patches each
# EVERY    steps between validations
# RATE     learning rate
# NET_unet, NET_resenc, NET_swinunetr   the networks, as options of seg-train; with --classes N where there are other labels than 1
# REGIONS  classes that overlap, as seg-train's --regions: 1,2,3/2,3/3, or nnU-Net's dataset.json; scores are theirs, and the largest component is that
#          of all labels together
# AUGMENT  options of nii-augment
# TEST     per cent of the cases that nothing is trained on
# VAL      per cent of the rest that validation takes
# SEED     of the split, the patches and the weights
# NETS     networks of the comparison (unet swinunetr)
# PLAN     a plans.json of seg-plan or nnU-Net instead of one made of the data
# RUN      put before every training, as "srun -n 1" or "mpirun -n 4"
#
# Every result depends on files and on these values alone: what is changed remakes what hangs on it. make -j N runs N at once, each with OMP_NUM_THREADS
# threads if that is set. What was interrupted goes on: training from its last state.
NAME  := hackathon
LEAST := 3
HERE  := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))
NETS  ?= unet swinunetr

.DEFAULT_GOAL := all
include $(HERE)experiment.mk

# A training is net-loss-augmentation-crop; a prediction is one of a training, by overlap (o0.5) or effort (e3), and weight of the windows; a score is one
# of a prediction, of the largest component or all.
BASE := dicece-aug-crop
CELL := o0.5-gaussian/largest
ABLATIONS := unet-$(BASE)/$(CELL) \
	$(foreach w,o0.8-gaussian e3-gaussian o0.5-constant,unet-$(BASE)/$w/largest) unet-$(BASE)/o0.5-gaussian/all \
	$(foreach t,unet-dice-aug-crop unet-ce-aug-crop unet-dicece-plain-crop unet-dicece-aug-whole resenc-$(BASE) swinunetr-$(BASE),$t/$(CELL))

run_of = $(firstword $(subst /, ,$1))

all: $(OUT)/comparison.tsv $(if $(shell $(tools); command -v seg-report),$(NETS:%=$(OUT)/report/%.html))
	@column -t -s $$'\t' $<

ablations: $(OUT)/ablations.tsv
	@column -t -s $$'\t' $<

# -- train -----------------------------------------------------------------------
crop_of = $(call part,4,$1)
$(OUT)/train/%/model.ts: $(OUT)/prepared/train-$$(call crop_of,$$*).ts $(OUT)/prepared/val-$$(call crop_of,$$*).ts $(value_train) $(value_aug) \
		$(OUT)/values/net-$$(call part,1,$$*)
	$(call train,$(call part,1,$*),$(call part,2,$*),$(if $(filter aug,$(call part,3,$*)),$(AUGMENT)),$<,$(word 2,$^))

# -- segment, post-process, score ---------------------------------------------
largest := cc-largest$(if $(REGIONS), --union)
window_of = $(patsubst o%,--overlap %,$(patsubst e%,--effort %,$(call part,1,$1))) --mode $(call part,2,$1)
$(OUT)/pred/%.ts: $(OUT)/test.tsv $(OUT)/train/$$(call run_of,$$*)/model.ts $(files_test)
	@$(begin)
	nii-read -L $< | nii-replay -m $(word 2,$^) | seg-window -m $(word 2,$^) $(call window_of,$(notdir $*)) --keep-image -o $@
	echo $$SECONDS >$@.seconds

$(OUT)/score/%/largest.tsv: $(OUT)/pred/%.ts
	$(call score,$<,$(largest) | nii-invert,$(OUT)/masks/$*/largest,$(OUT)/test.tsv)
$(OUT)/score/%/all.tsv: $(OUT)/pred/%.ts
	$(call score,$<,nii-invert,$(OUT)/masks/$*/all,$(OUT)/test.tsv)

# -- tables, report -----------------------------------------------------------
# A row a score and label: the mean over the test cases of some of seg-score's columns, and the seconds that the prediction took.
define table
@$(begin)
{ printf 'training\twindows\tcomponents\tdice\tvolume_error\terror_axial_clipped\tseconds\tlabel\n'; \
	for s in $1; do awk -F'\t' -v OFS='\t' -v cell=$$s -v seconds="$$(cat $(OUT)/pred/$${s%/*}.ts.seconds)" ' \
		NR == 1 { for (i = 1; i <= NF; i++) c[$$i] = i } \
		NR == 1 { gsub("/", OFS, cell) } \
		$$1 == "mean" { print cell, $$c["dice"], $$c["volume_error"], $$c["error_axial_clipped"], seconds, $$c["label"] }' \
		$(OUT)/score/$$s.tsv; done; } >$@
$(call told,$(1:%=$(OUT)/score/%.tsv))
endef
comparison := $(foreach n,$(NETS),$n-$(BASE)/$(CELL))
$(OUT)/comparison.tsv: $(comparison:%=$(OUT)/score/%.tsv)
	$(call table,$(comparison))
$(OUT)/ablations.tsv: $(ABLATIONS:%=$(OUT)/score/%.tsv)
	$(call table,$(ABLATIONS))

$(OUT)/report/%.html: $(OUT)/score/%-$(BASE)/$(CELL).tsv
	@$(begin)
	$(largest) $(OUT)/pred/$*-$(BASE)/$(firstword $(subst /, ,$(CELL))).ts | nii-invert --keep-image | seg-report --title "$*" -s $< \
		-l $(OUT)/train/$*-$(BASE)/log.tsv -m $(OUT)/train/$*-$(BASE)/model.ts -o $@ -

.PHONY: all ablations
