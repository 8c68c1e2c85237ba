# What hackathon.mk and cross-validate.mk share: from DATA, or phantoms, to OUT/cases.tsv, its parts, a plan and prepared streams. NAME and LEAST (cases)
# are the including file's.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.SUFFIXES:
.DELETE_ON_ERROR:
.ONESHELL:
.SECONDEXPANSION:
.SECONDARY:

SIZE ?= small
ifeq ($(filter small medium large,$(SIZE)),)
$(error SIZE=$(SIZE) is not one of small, medium, large)
endif
DATA    ?=
OUT     ?= $(NAME)-$(SIZE)
TEST    ?= 25
VAL     ?= 10
SEED    ?= 1
RATE    ?= 3e-4
AUGMENT ?= --flip x --shift 0.1 --scale 0.1
NORMALIZATION ?=
REGIONS ?=
PLAN    ?=
RUN     ?=
# mpirun goes to other hosts by ssh, which waits for one that does not answer as long as TCP does, minutes, and for a password for ever.
export OMPI_MCA_plm_rsh_args ?= -o BatchMode=yes -o ConnectTimeout=10

swin = --arch {"_target_":"SwinUNETR","spatial_dims":3,"out_channels":2,"feature_size":$1}
small_CASES   := 32
small_VSIZE   := 80,80,64
small_VOLUME  := 10,80
small_PATCH   := 64,64,32
small_STEPS   := 500
small_BATCH   := 2
small_unet    := --net unet --channels 8,16,32,64 --strides 2,2,2
small_resenc  := --net resenc --channels 8,16,32,64 --strides 2,2,2
small_swin    := $(call swin,12)
medium_CASES  := 60
medium_VSIZE  := 128,128,96
medium_VOLUME := 2,60
medium_PATCH  := 96,96,64
medium_STEPS  := 2000
medium_BATCH  := 1
medium_unet   := --net unet
medium_resenc := --net resenc --channels 16,32,64,128 --strides 2,2,2
medium_swin   := $(call swin,24)
large_CASES   := 120
large_VSIZE   := 320,320,100
large_VOLUME  := 0.5,60
large_PATCH   := 160,160,64
large_STEPS   := 10000
large_BATCH   := 1
large_unet    := --net unet
large_resenc  := --net resenc --channels 16,32,64,128,256 --strides 2,2,2,2
large_swin    := $(call swin,48)
large_SPACING := 1,1,3

CASES   ?= $($(SIZE)_CASES)
VSIZE   ?= $($(SIZE)_VSIZE)
VOLUME  ?= $($(SIZE)_VOLUME)
SPACING ?= $($(SIZE)_SPACING)
PATCH   ?= $($(SIZE)_PATCH)
STEPS   ?= $($(SIZE)_STEPS)
BATCH   ?= $($(SIZE)_BATCH)
EVERY   ?= $(shell echo $$(($(STEPS) / 10 > 0 ? $(STEPS) / 10 : 1)))
NET_unet      ?= $($(SIZE)_unet)
NET_resenc    ?= $($(SIZE)_resenc)
NET_swinunetr ?= $($(SIZE)_swin)

# A recipe begins with it: the tools, and a log of its own. Of one that fails the last lines are shown.
tools = . $(HERE)tools.bash
begin = $(tools); mkdir -p $(@D); exec 3>&2 2>>$@.log; \
	trap 'r=$$?; [ $$r = 0 ] || { tail -n 5 $@.log; echo "$(NAME).mk: $@: failed, all of it in $@.log"; } >&3' EXIT

help:
	@sed -n '/^[^#]/q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

# Names go to make and to the shell as they are.
special := ' " ( ) [ ] { } < > ; : & | ` \ * ? ! = $$
$(foreach v,DATA OUT PLAN,$(foreach c,$(special),$(if $(findstring $c,$($v)),$(error $(NAME).mk: $v=$(value $v): make and the shell cannot do with $c in a name))))
ifneq ($(word 2,$(REGIONS))$(findstring ',$(REGIONS)),)
$(error $(NAME).mk: REGIONS=$(REGIONS): no blanks or quotes there: a file, as dataset.json, may have them)
endif
ifneq ($(words $(OUT)),1)
$(error $(NAME).mk: OUT=$(OUT): $(if $(OUT),make cannot do with blanks in a directory's name,a directory is needed))
endif

# -- what is there: patterns, since the names of thousands of files are more than make can hand over --
ifeq ($(DATA),)
files := $(OUT)/data/imagesTr/* $(OUT)/data/labelsTr/*
else
ifneq ($(word 2,$(DATA)),)
$(error $(NAME).mk: DATA=$(DATA): make cannot do with blanks in a directory's name)
endif
whole := ct pet image imaging gtv label seg segmentation mask
files := $(if $(wildcard $(DATA)/imagesTr),$(DATA)/imagesTr/* $(DATA)/labelsTr/*,$(foreach e,nii nii.gz nrrd mha mhd,$(foreach n,*_ct *_pet *_gtv $(addprefix */,$(whole)),$(DATA)/$n.$e)))
ifeq ($(wildcard $(files))$(filter help,$(MAKECMDGOALS)),)
$(error $(NAME).mk: $(DATA): no ID_ct and ID_gtv files there, no ID/ct and ID/gtv, nor imagesTr and labelsTr)
endif
endif

# -- values: files that change when they do ----------------------------------
quoted = '$(subst ','\'',$1)'
stamp  = $(shell f=$(OUT)/values/$1; mkdir -p $(OUT)/values; [ "$$(cat $$f 2>/dev/null)" = $(call quoted,$2) ] || echo $(call quoted,$2) >$$f)$(OUT)/values/$1
ifeq ($(filter help,$(MAKECMDGOALS)),)
value_names := $(if $(DATA),$(call stamp,names,$(shell shopt -s nullglob; printf '%s\n' $(files) | cksum)))
value_data  := $(call stamp,data,$(DATA) $(if $(DATA),,$(CASES) $(VSIZE) $(VOLUME)) $(SEED))
value_split := $(call stamp,split,$(TEST) $(VAL) $(SEED))
value_plan  := $(call stamp,plan,$(SPACING) $(PLAN)$(NORMALIZATION:%= %)$(PLANNING:%= %))
value_train := $(call stamp,train,$(PATCH) $(STEPS) $(BATCH) $(EVERY) $(RATE) $(SEED)$(REGIONS:%= %)) $(wildcard $(REGIONS))
value_aug   := $(call stamp,aug,$(AUGMENT))
value_fold  := $(if $(FOLDS),$(call stamp,fold,$(FOLDS) $(or $(SPLITS),$(SPLIT))))
value_net   := $(foreach n,unet resenc swinunetr,$(call stamp,net-$n,$(NET_$n)))
endif

# -- data, split ---------------------------------------------------------------
$(OUT)/data/drawn: $(value_data)
	@$(begin); rm -rf $(OUT)/data; mkdir -p $(OUT)/data/imagesTr $(OUT)/data/labelsTr
	nii-phantom -n $(CASES) --seed $(SEED) -s $(VSIZE) --volume $(VOLUME) --healthy 0 -o $(OUT)/data/phantoms.ts
	nii-write -t image -d $(OUT)/data/imagesTr $(OUT)/data/phantoms.ts; nii-write -t label -d $(OUT)/data/labelsTr $(OUT)/data/phantoms.ts
	rm $(OUT)/data/phantoms.ts; touch $@
$(OUT)/cases.tsv: $(value_data) $(value_names) $(if $(DATA),,$(OUT)/data/drawn)
	@$(begin); shopt -s nullglob; nii-read --pairs --print -o $@ $(files)

# What a part's targets depend on: the files that its table named when make began. Where the table changes, that is reason enough. For names with
# blanks and what else make would read stands a file as old as the newest of them.
named    = cut -f 2- $(OUT)/$1.tsv 2>/dev/null | tr '\t' '\n' | grep $2 '[^[:alnum:]_./+,@%-]'
plain_of = $(wildcard $(shell $(call named,$1,-v)))
odd_of   = $(shell f=$(OUT)/values/odd-$1; t=$$($(call named,$1) | xargs -r -d '\n' stat -c %.9Y 2>/dev/null | sort -n | tail -n 1) || :; \
	[ -z "$$t" ] || { touch -d "@$$t" $$f; echo $$f; })
$(foreach p,train val test,$(eval files_$p := $(if $(DATA),$$(call plain_of,$p) $$(call odd_of,$p),$(OUT)/data/drawn)))

$(OUT)/split: $(OUT)/cases.tsv $(value_split)
	@$(begin); n=$$(($$(wc -l <$<) - 1)); test=$(if $(filter none,$(TEST)),0,$$((n * $(TEST) / 100))); val=$$(((n - test) * $(VAL) / 100))
	$(if $(filter none,$(TEST)),,test=$$((test > 0 ? test : 1))) val=$$(($(VAL) && val < 1 ? 1 : val))
	[ $$n -ge $(LEAST) ] || { echo "$(NAME).mk: $<: $$n cases: $(LEAST) at least are needed" >&2; exit 1; }
	tail -n +2 $< | sort | shuf --random-source=<(yes $(SEED)) >$@.new
	part() { # NAME FROM TO: what is as it was stays
		awk -v a=$$2 -v b=$$3 'NR > a && NR <= b' $@.new | sort >$(OUT)/$$1.new
		cmp -s $(OUT)/$$1.new $(OUT)/$$1.tsv || cp $(OUT)/$$1.new $(OUT)/$$1.tsv
		rm $(OUT)/$$1.new
	}
	part test 0 $$test; part val $$test $$((test + val)); part train $$((test + val)) $$n
	mv $@.new $@
$(OUT)/train.tsv $(OUT)/val.tsv $(OUT)/test.tsv: $(OUT)/split ;

# -- plan, prepare ---------------------------------------------------------------
# nnU-Net's dataset.json, which has the channels' names, and so what each is normalized by.
described := $(if $(DATA),$(shell grep -ls '"channel_names"' $(DATA)/dataset.json))

# The plan is made of what is trained and validated on, as nnU-Net does it: one is given, or the data's own.
$(OUT)/plan.json: $(OUT)/train.tsv $(OUT)/val.tsv $(value_plan) $(PLAN) $(described) $(files_train) $(files_val)
	@$(begin); $(if $(PLAN),cp $(PLAN) $@,cat $(OUT)/train.tsv $(OUT)/val.tsv | seg-plan -L - $(PLANNING) $(described:%=--channels %) $(SPACING:%=-s %) $(NORMALIZATION:%=--normalization %) -o $@)

# PART-crop or PART-whole
part      = $(word $1,$(subst -, ,$2))
cut_crop := nii-crop --channel 0 --above=-500 |
$(OUT)/prepared/%.ts: $(OUT)/$$(call part,1,$$*).tsv $(OUT)/plan.json $$(files_$$(call part,1,$$*))
	@$(begin); nii-read -L $< $(described:%=--channels %) | $(cut_$(call part,2,$*)) nii-normalize --plan $(OUT)/plan.json | nii-resample --plan $(OUT)/plan.json -o $@

# -- folds, of files that have FOLDS: as nnU-Net deals them, or as its splits_final.json has them --
folds   := $(if $(FOLDS),$(shell seq 0 $$(($(FOLDS) - 1))))
fold_of = $(if $(SPLITS),--splits $(SPLITS) --fold $1,--fold $1/$(FOLDS) --seed $(SPLIT))

# -- train, segment, score: what the recipes of the including file are made of -----------
regions := $(if $(REGIONS),--regions $(call quoted,$(REGIONS)))
# Network $1 with loss $2 on patches of stream $4, augmented by $3, validated on stream $5
define train
@$(begin); $(RUN) $(HERE)train.sh -d $(@D) -n $$(($(STEPS) * $(BATCH))) --patch '--plan $(OUT)/plan.json -s $(PATCH) --pos 0.25 --seed $(SEED)' \
	--augment '$(if $3,$3 --seed $(SEED))' \
	--train '$(NET_$1) --loss $2 --lr $(RATE) --batch $(BATCH) --seed $(SEED) --val $5 --val-every $(EVERY) $(REGIONS:%=--regions %)' $4
endef

# Predictions of stream $1 through command $2 to masks in directory $3, scored by the truth of the cases of table $4; $5 some: those that there are
define score
@$(begin); rm -rf $3; mkdir -p $3
{ $2; } <$1 | nii-write -d $3
cut -f 1,3 $4 | while IFS=$$'\t' read -r id truth; do
	$(if $5,[ ! -e "$3/$$id.nii.gz" ] ||) printf '%s\t%s\t%s\n' "$$id" "$$truth" "$3/$$id.nii.gz"
done | seg-score $(regions) --history $@.history -o $@ -L -
endef

# Where a table of tables $1 comes from: their hashes, the values, the version.
define told
{ echo "make -f $(NAME).mk OUT=$(OUT) $@"; sha256sum $1 | sed 's/^/# /'; grep . $(OUT)/values/* | sed 's/^/## /'; ts-info --version | sed 's/^/## /'; } >$@.history
endef

clean:
	rm -rf $(OUT)

.PHONY: help clean
