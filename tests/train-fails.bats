#!/usr/bin/env bats
# What goes wrong while training: one line that says where, and nothing that was learnt is lost.
load helper

net="--channels 4,8 --strides 2 --res-units 1 --lr 1e-2 --threads 1"
first=model.0.conv.unit0.conv

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 2 --seed 1 --size 32,32,16 --healthy 0 --volume 55,60 | nii-normalize --window=-1024,325 -o train.ts
	nii-patch -s 16,16,8 --pos 0.5 --seed 1 -n 8 -o p.ts train.ts
	spoil 5 p.ts >nan.ts
	seg-train $net -o whole.ts p.ts
	nii-patch -s 16,16,8 --seed 1 -n 2 train.ts | seg-train --arch '{"_target_": "UNet", "in_channels": 2, "out_channels": 2, "channels": [4, 8], "strides": [2]}' \
		-o two.ts <(two) 2>said || { cat said; return 1; }
}
setup() { cd "$BATS_TEST_TMPDIR" && ln -s "$BATS_FILE_TMPDIR"/*.ts .; }

# spoil I FILE: the patches, one of whose voxels in patch I is not a number
spoil() {
	head -c "$(at_image "$1" "$2")" "$2"
	printf '\0\0\300\177'
	tail -c +$(($(at_image "$1" "$2") + 5)) "$2"
}

# at_image I FILE: the byte at which the image of patch I begins, which comes first
at_image() {
	local at
	at=$(ts-info "$2" | sed -n "s/^frame $1: .* at byte \([0-9]*\) of.*/\1/p")
	echo $((at + 8 + $(od -An -tu8 -j "$at" -N 8 "$2")))
}

# A patch of two channels, 4x4x4
two() {
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"patch","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[2,4,4,4],"data_offsets":[0,128]},"label":{"dtype":"U8","shape":[4,4,4],"data_offsets":[128,192]}}'
	printf '%0128d' 0 | tr 0 '\1'
	printf '%064d' 0 | tr 0 '\0'
}
name_of() { ts-info "$2" | sed -n "s/^frame $1: \([^,]*\),.*/\1/p"; }

@test "a loss that is no number: the patch, and the last good state, from which training goes on as if the patch had not been there" {
	bad="$(name_of 5 p.ts) (patch 5): the image of patch 5 is not a number at voxel 0,0,0 of the patch"
	fails 1 "seg-train: nan.ts: the loss is not a number at step 6: $bad; the last good state is in a.last.ts" seg-train $net -o a.ts nan.ts
	fails 1 "seg-train: nan.ts: the loss is not a number at step 6: $bad; the last good state is in b.last.ts" seg-train $net --save-every 2 -o b.ts nan.ts
	ts-select --index 0..4 p.ts | seg-train $net -o five.ts
	cmp a.last.ts five.last.ts
	ts-info b.last.ts | grep -q '"next":4'
	seg-train --resume a.last.ts --threads 1 -o a.ts <(ts-select --index 5..7 p.ts)
	cmp a.last.ts whole.last.ts
	# a state that was taken up stays as it is
	ts-select --index 0..2 p.ts | seg-train $net -o c.ts
	cp c.last.ts three.ts
	fails 1 "seg-train: rest.ts: the loss is not a number at step 6: $bad; the last good state is in c.last.ts" \
		bash -c 'ts-select --index 3..7 nan.ts >rest.ts && seg-train --resume c.last.ts --threads 1 -o c.ts rest.ts'
	cmp c.last.ts three.ts
	# of several in a batch the one; voxel 2,1,0 infinite
	head -c "$(($(at_image 6 p.ts) + 4 * 18))" p.ts >inf.ts
	printf '\0\0\200\177' >>inf.ts
	tail -c +$(($(stat -c %s inf.ts) + 1)) p.ts >>inf.ts
	run seg-train $net --batch 4 -o e.ts inf.ts
	[ "$status" -eq 1 ]
	[[ "$output" == *" (patch 4), "*" (patch 7): the image of patch 6 is infinite at voxel 2,1,0 of the patch; the last good state is in e.last.ts" ]]
	# what has not begun has no state
	fails 1 "seg-train: bad.ts: the loss is not a number at step 1: $bad" bash -c "ts-select --index 5 nan.ts >bad.ts; seg-train $net -o d.ts bad.ts"
	[ ! -e d.ts ]
	[ ! -e d.last.ts ]
}

@test "weights that grew beyond all numbers: what is kept is finite" {
	for every in "" "--save-every 1"; do
		fails 1 "seg-train: p.ts: the gradient is not a number at step 5: $(name_of 4 p.ts) (patch 4); the last good state is in a.last.ts" \
			seg-train --channels 4,8 --strides 2 --threads 1 --optimizer sgd --lr 100 --decay 1 $every -o a.ts p.ts
		ts-info a.last.ts | grep -q '"next":4'
		[ "$(ts-info --stats a.last.ts | grep -c 'NaN\|inf')" -eq 0 ]
		rm a.ts a.last.ts
	done
}

@test "broken off within a step, statistics of a batch are those of its beginning" {
	arch='{"_target_": "UNet", "out_channels": 2, "channels": [4, 8], "strides": [2], "norm": "BATCH", "dropout": 0.2}'
	seg-train --arch "$arch" --accumulate 3 --threads 1 -o w.ts p.ts
	for cut in 4 5; do
		run seg-train --arch "$arch" --accumulate 3 --threads 1 -o r.ts <(ts-select --index 0..$cut p.ts | head -c -99)
		[ "$status" -eq 1 ]
		seg-train --resume r.last.ts --threads 1 -o r.ts <(ts-select --index 3..7 p.ts)
		cmp r.last.ts w.last.ts
		rm r.ts r.last.ts
	done
	fails 1 "seg-train: nan.ts: the loss is not a number at step 2: $(name_of 5 p.ts) (patch 5): the image of patch 5 is not a number at voxel 0,0,0 of the patch; the last good state is in r.last.ts" \
		seg-train --arch "$arch" --accumulate 3 --threads 1 -o r.ts nan.ts
	seg-train --resume r.last.ts --threads 1 -o r.ts <(ts-select --index 3..7 p.ts)
	cmp r.last.ts w.last.ts
	# a signal that only saves leaves the run as it is
	mkfifo p
	{ ts-select --index 0..4 p.ts; await test -e s.last.ts; ts-select --index 5..7 p.ts; } >p &
	seg-train --arch "$arch" --accumulate 3 --threads 1 --log l.tsv -o s.ts <p &
	await has_rows l.tsv 1
	sleep 0.5 # most often it has the next two patches by then
	kill -USR1 $!
	wait $!
	cmp s.last.ts w.last.ts
}

@test "killed anywhere, again and again, it goes on from what was saved last: the same bytes in the end" {
	many="--batch 2 --save-every 1 --ema 0.9 --schedule poly --steps 200"
	nii-patch -s 16,16,8 --pos 0.5 --seed 3 -n 400 -o q.ts train.ts
	seg-train $net $many --log w.tsv -o w.ts q.ts
	next() { ts-info k.last.ts 2>/dev/null | sed -n 's/.*"next":\([0-9]*\).*/\1/p'; }
	for ((i = 1, killed = 0, status = 1; i < 40 && status; i++)); do
		from=$(next)
		[ "${from:-0}" -lt 400 ] || break # killed after the last step
		if [ -n "$from" ]; then set -- --resume k.last.ts --threads 1; else set -- $net $many; fi
		seg-train "$@" --save-every 1 --log k.tsv -o k.ts <(ts-select --index "${from:-0}..399" q.ts) &
		pid=$!
		[ "$i" -eq 39 ] || { sleep 0.$((i / 12))$((i * 7 % 10)) && kill -KILL $pid 2>/dev/null && killed=$((killed + 1)); } || true
		status=0
		wait $pid 2>/dev/null || status=$?
		[ "$status" -eq 0 ] || [ "$status" -eq 137 ]
	done
	echo "killed $killed times"
	[ "$killed" -gt 2 ]
	cmp k.last.ts w.last.ts
	cmp k.ts w.ts
	diff <(cut -f 1-7 k.tsv) <(cut -f 1-7 w.tsv)
}

@test "channels and sizes: the layer, and what it takes" {
	two >two-patch.ts
	fails 1 "seg-train: two-patch.ts: a (patch 0): whole.ts: the image has 2 channels, the network (layer $first) takes 1" seg-train --init whole.ts -o m.ts two-patch.ts
	fails 1 "seg-train: p.ts: $(name_of 0 p.ts) (patch 0): two.ts: the image has 1 channel, the network (layer model.0.conv) takes 2" seg-train --init two.ts -o m.ts p.ts
	fails 1 "seg-train: two-patch.ts: a: the image has 2 channels, the network (layer $first) takes 1" seg-train $net --val two-patch.ts -o m.ts p.ts
	fails 1 "seg-window: two-patch.ts: a: the image has 2 channels, the network (layer $first) takes 1" seg-window --force -m whole.ts two-patch.ts
	nii-patch -s 15,16,8 -n 1 --seed 1 train.ts >odd.ts
	fails 1 "seg-train: odd.ts: $(name_of 0 odd.ts) (patch 0): input of 15,16,8 voxels (x,y,z) does not fit the network (layer $first): it takes multiples of 2,2,2, as 16,16,8" \
		seg-train $net -o m.ts odd.ts
	fails 1 "seg-train: odd.ts: $(name_of 0 odd.ts) (patch 0): input of 15,16,8 voxels (x,y,z) does not fit the network (layer encoder.stages.1.0.convs.0.conv): it takes multiples of 2,4,2, as 16,16,8" \
		seg-train --net nnunet --channels 4,8,8 --strides 2,1x2x1 -o m.ts odd.ts
	[ ! -e m.ts ]
}

@test "without --save-every and validation, ten minutes are lost at most" {
	command -v cc >/dev/null || skip "no compiler"
	# a clock on which 100 seconds pass from one look to the next
	cat >clock.c <<-'END'
		#define _GNU_SOURCE
		#include <sys/syscall.h>
		#include <time.h>
		#include <unistd.h>
		int clock_gettime(clockid_t id, struct timespec *t)
		{
			static long seconds;
			if (id != CLOCK_MONOTONIC)
				return (int)syscall(SYS_clock_gettime, id, t);
			*t = (struct timespec){seconds += 100, 0};
			return 0;
		}
	END
	cc -shared -fPIC -o clock.so clock.c
	mkfifo fed
	{ ts-select --index 0..5 p.ts; exec sleep 300; } >fed &
	feeder=$!
	LD_PRELOAD=$PWD/clock.so seg-train $net --log l.tsv -o m.ts <fed &
	await has_rows l.tsv 6
	await test -s m.last.ts
	kill -KILL $! $feeder
	wait $! || :
	next=$(ts-info m.last.ts | sed -n 's/.*"next":\([0-9]*\).*/\1/p')
	seg-train --resume m.last.ts --threads 1 -o m.ts <(ts-select --index "$next.." p.ts)
	cmp m.last.ts whole.last.ts
}

# lone IMAGE LABEL: a volume of one voxel, as no tool has prepared it, its axes as those of phantoms (LPS)
lone() {
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"-1 0 0 0 0 -1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]},"label":{"dtype":"I8","shape":[1,1,1],"data_offsets":[4,5]}}' "$1$2"
}

@test "what cannot be validated on is found before the first step, not after the last" {
	nii-phantom -n 1 --seed 1 --size 32,32,16 --healthy 0 --volume 55,60 -o raw.ts
	nii-patch -s 16,16,8 -n 2 -o q.ts raw.ts
	zero='\0\0\0\0'
	lone $zero '\7' >v.ts
	fails 1 "seg-train: v.ts: a: label 7 (the network has 2 classes: 0 to 1)" seg-train $net --val v.ts --log l.tsv -o m.ts q.ts
	lone $zero '\377' >v.ts
	fails 1 "seg-train: v.ts: a: label -1 (the network has 2 classes: 0 to 1)" seg-train $net --val v.ts --log l.tsv -o m.ts q.ts
	lone '\0\0\300\177' '\1' >v.ts
	fails 1 "seg-train: v.ts: a: the image has values that are not finite" seg-train $net --val v.ts --log l.tsv -o m.ts q.ts
	run seg-train $net --val raw.ts --log l.tsv -o m.ts p.ts
	[ "$status" -eq 1 ]
	[[ $output == "seg-train: raw.ts: phantom-0001: is not prepared as the model's training data: step 1 is nothing, the model wants nii-normalize "* ]]
	[ ! -e m.ts ]
	[ ! -e l.tsv ]
	lone $zero '\0' >v.ts
	[ "$(seg-train $net --val v.ts -o m.ts q.ts 2>&1)" = "seg-train: v.ts: no volume has foreground: the validation's Dice says nothing" ]
	[ -z "$(seg-train $net -q --val v.ts -o m.ts q.ts 2>&1)" ]
	[ -z "$(seg-train $net --val raw.ts -o m.ts q.ts 2>&1)" ]
}

@test "the log's disk is full: what was learnt is saved" {
	ts-select --index 0..3 p.ts | seg-train $net --log l.tsv -o m.ts
	{ sed -n 1p l.tsv && printf "4\t%0$((102400 - $(sed -n 1p l.tsv | wc -c) - 3))d\n" 0; } >long.tsv # no row more within a limit that the model is far from
	ts-select --index 4..7 p.ts >rest.ts
	fails 1 "seg-train: long.tsv: cannot write the log: File too large" \
		bash -c 'ulimit -f 100; exec seg-train --resume m.last.ts --threads 1 --log long.tsv -o m.ts rest.ts'
	ts-info m.last.ts | grep -q '"next":5'
}

@test "a log replaces no model, and nothing that is read" {
	cp p.ts v.ts
	for f in p.ts v.ts; do
		fails 1 "seg-train: $f: is what is trained or validated on: the log goes to another file" seg-train $net --val v.ts --log $f -o m.ts p.ts
	done
	for f in m.ts m.last.ts whole.ts; do
		fails 1 "seg-train: $f: is a model: the log goes to another file" seg-train --init whole.ts --log $f -o m.ts p.ts
	done
	cmp p.ts v.ts
	seg-train $net --log /dev/null -o /dev/null v.ts
}

@test "a full disk while saving: the error, and the checkpoint before it stays" {
	ts-select --index 0..3 p.ts | seg-train $net -o m.ts
	cp m.ts old.ts
	cp m.last.ts old.last.ts
	ts-select --index 4..7 p.ts >rest.ts
	run bash -c 'ulimit -f 8; exec seg-train --resume m.last.ts --threads 1 --save-every 1 -o m.ts rest.ts'
	[ "$status" -eq 1 ]
	[[ $output == "seg-train: m.ts: cannot write (offset "*"): File too large" ]]
	cmp m.ts old.ts
	cmp m.last.ts old.last.ts
	[ "$(find . -name '*m.*' | sort | xargs)" = "./m.last.ts ./m.ts" ]
	fails 1 "seg-train: /dev/full: cannot write the log: No space left on device" seg-train $net --log /dev/full -o n.ts p.ts
	fails 1 "seg-train: /dev/full: cannot write (offset 0): No space left on device" seg-train $net -o /dev/full p.ts
	[ "$(id -u)" -eq 0 ] || skip "not root: no tmpfs to mount"
	mkdir small
	mount -t tmpfs -o size=$((($(stat -c %s m.last.ts) / 4096 + $(stat -c %s m.ts) / 4096) * 4 + 12))k tmpfs small 2>/dev/null || skip "no tmpfs may be mounted"
	cp m.last.ts small
	run seg-train --resume small/m.last.ts --threads 1 --save-every 1 -o small/m.ts rest.ts
	kept=$(cmp small/m.last.ts old.last.ts 2>&1; cd small && echo *)
	umount small
	[ "$status" -eq 1 ]
	[[ $output == "seg-train: small/m.last.ts: cannot write (offset "*"): No space left on device" ]]
	[ "$kept" = "m.last.ts m.ts" ]
}

# damaged HEADER DATA MESSAGE: the same words from whoever reads weights, and nothing written
damaged() {
	raw_frame "$1" "$2" >bad.safetensors
	fails 1 "seg-import: bad.safetensors: $3" seg-import --arch '{"_target_": "UNet", "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]}' -o left.ts bad.safetensors
	fails 1 "seg-import: bad.safetensors: $3" seg-import --list -o left.ts bad.safetensors
	fails 1 "seg-train: bad.safetensors: $3" seg-train --init bad.safetensors -o left.ts p.ts
	fails 1 "seg-train: bad.safetensors: $3" seg-train --resume bad.safetensors -o left.ts p.ts
	fails 1 "seg-window: bad.safetensors: $3" seg-window -m bad.safetensors -o left.ts train.ts
	fails 1 "seg-export: bad.safetensors: $3" seg-export -o left.onnx bad.safetensors
	[ -z "$(find . -name '*left*')" ]
}

@test "damaged safetensors: the same from all that read weights" {
	w='"dtype":"F32","shape":[1]'
	damaged "{\"a\":{$w,\"data_offsets\":[0,4]},\"a\":{$w,\"data_offsets\":[4,8]}}" '\0\0\0\0\0\0\0\0' "header is not JSON: duplicate object key near '\"a\"' (offset 65)"
	damaged "{\"a\":{$w,\"data_offsets\":[0,4]},\"b\":{$w,\"data_offsets\":[2,6]}}" '\0\0\0\0\0\0' "tensor 'b': data begin at 2 (expected 4: no overlap) (offset 8)"
	damaged "{\"a\":{$w,\"data_offsets\":[0,4]},\"b\":{$w,\"data_offsets\":[8,12]}}" '\0\0\0\0\0\0\0\0\0\0\0\0' "tensor 'b': data begin at 8 (expected 4: no hole) (offset 8)"
	damaged "{\"a\":{$w,\"data_offsets\":[0,8]}}" '\0\0\0\0\0\0\0\0' "tensor 'a': data_offsets hold 8 bytes (expected 4 from dtype and shape) (offset 8)"
	damaged '{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}' '\0\0\0\0' "tensor 'a': shape overflows (offset 8)"
	damaged "{\"a\":{$w,\"data_offsets\":[0,4]}" '\0\0\0\0' "header is not JSON: '}' expected near end of file (offset 61)"
	damaged "{\"a\":{$w,\"data_offsets\":[4,0]}}" '\0\0\0\0' "tensor 'a': data_offsets are not a range (offset 8)"
	damaged "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}" '\0\0\0\0' "tensor 'a': unknown dtype 'F33' (offset 8)"
}

@test "headers of impossible length" {
	while read -r length says; do
		{ printf "$length"; printf '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}\0\0\0\0'; } >long.safetensors
		for t in "seg-import -o left.ts --list" "seg-train -o left.ts --init" "seg-window -o left.ts -m" "seg-export -o left.onnx"; do
			fails 1 "${t%% *}: long.safetensors: $says" $t long.safetensors </dev/null
		done
	done <<-'END'
		\377\377\377\377\377\377\377\177 header length 9223372036854775807 (at most 16777216): not a safetensors frame (offset 0)
		\377\377\377\377\377\377\377\377 header length 18446744073709551615 (at most 16777216): not a safetensors frame (offset 0)
		\1\0\0\1\0\0\0\0 header length 16777217 (at most 16777216): not a safetensors frame (offset 0)
		\0\0\0\0\0\0\0\0 header does not begin with '{': not a safetensors frame (offset 8)
	END
	[ -z "$(find . -name '*left*')" ]
}
