#!/usr/bin/env bats
# seg-import: files that PyTorch, MONAI's and nnU-Net's programs write (tests/golden/make_import.py), what is done to names, what it refuses.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	bin=$BATS_TEST_DIRNAME/../build/bin golden=$BATS_TEST_DIRNAME/golden
	"$bin/ts-select" --index 0 "$golden/unet-plain.ts" >plain.ts
	"$bin/ts-select" --index 0 "$golden/unet-aniso.ts" >aniso.ts
	echo '{"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8, 16], "strides": [2, 2], "num_res_units": 0}' >arch.json
	cp "$golden"/import/* .
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

same() { # same FILE [OPTION ...]: the weights of unet-plain.ts, bit for bit
	seg-import -q --arch arch.json "$@" | ts-cmp --data-only - plain.ts
}

# A file of torch.save's older form around a pickle: printf's escapes.
legacy() {
	printf '\200\2\212\12l\374\234F\371 j\250P\31.\200\2M\351\3.\200\2}.'
	printf "$1"
}

@test "what torch.save writes: zip, older, parameters, views, doubles; safetensors from a file and from a pipe" {
	for f in zip.pt legacy.pt parameters.pt strided.pt double.pt plain.safetensors; do same "$f"; done
	seg-import --arch arch.json - <plain.safetensors | ts-cmp --data-only - plain.ts
	cat plain.safetensors | seg-import --arch arch.json - | ts-cmp --data-only - plain.ts
}

@test "float16 and bfloat16 are widened" {
	seg-import --arch arch.json half.pth | ts-cmp --data-only --rtol 5e-4 --atol 1e-7 - plain.ts
	seg-import --arch arch.json bfloat.bin | ts-cmp --data-only --rtol 4e-3 - plain.ts
	run seg-import --list half.pth
	[[ $output == *"model.0.conv.weight	F16	[4,1,3,3,3]"* ]]
}

@test "weights under the keys and prefixes of training programs, told on standard error" {
	for f in training.pth lightning.ckpt nnunet.pth old.pt; do same "$f"; done
	told() { diff <(seg-import --arch arch.json "$1" 2>&1 >/dev/null) - || { echo "$1"; return 1; }; }
	told zip.pt </dev/null
	told training.pth <<-'END'
		seg-import: training.pth: the weights are in 'state_dict'
		seg-import: training.pth: module.* -> * (14)
	END
	told lightning.ckpt <<-'END'
		seg-import: lightning.ckpt: the weights are in 'state_dict'
		seg-import: lightning.ckpt: _model._orig_mod.* -> * (14)
	END
	told nnunet.pth <<-'END'
		seg-import: nnunet.pth: the weights are in 'network_weights'
	END
	told old.pt <<-'END'
		seg-import: old.pt: *.act.* -> *.adn.A.* (4; MONAI before 0.4)
	END
}

@test "--key and --prefix" {
	same ema.pt --key raw
	same ema.pt --key both --prefix avg.
	fails 1 "seg-import: ema.pt: its top holds no tensors, nor does what is usual in it: say where with --key (there are: raw, steps, both)" \
		seg-import --arch arch.json ema.pt
	fails 1 "seg-import: ema.pt: holds the network under 'net.' and under 'avg.': say which with --prefix" seg-import -q --arch arch.json --key both ema.pt
	fails 1 "seg-import: ema.pt: has no 'deep' at 'deep/raw' (there are: raw, steps, both)" seg-import --arch arch.json --key deep/raw ema.pt
	run seg-import --arch arch.json --key raw/deep ema.pt
	[[ $output == "seg-import: ema.pt: has no 'deep' at 'raw/deep' (there are: net.model."*", ...)" ]]
	fails 1 "seg-import: ema.pt: 'steps' holds no tensors" seg-import --arch arch.json --key steps ema.pt
	fails 1 "seg-import: plain.safetensors: --key is for files of torch.save" seg-import --arch arch.json --key a plain.safetensors
}

@test "--axes xyz turns kernels, and the description's triples" {
	seg-import --arch xyz.json --axes xyz xyz.pt >turned.ts
	ts-cmp --data-only turned.ts aniso.ts
	grep -aqF '\"strides\":[[2,2,1],[1,2,2]]' turned.ts
	run seg-import --arch xyz.json xyz.pt
	[ "$status" -eq 0 ]
	! seg-import --arch xyz.json xyz.pt | ts-cmp -q --data-only - aniso.ts
}

@test "--axes xyz: SwinUNETR's merging and windows count x,y,z" {
	of_fp32
	arch='{"_target_": "SwinUNETR", "in_channels": 1, "out_channels": 2, "feature_size": 12, "depths": [1, 2, 1, 1], "num_heads": [1, 2, 3, 4], "window_size": [3, 4, 7]}'
	perl -e 'binmode STDOUT; for $z (0..31) { for $y (0..63) { print pack "f<*", map { ($z * 7 + $y * 3 + $_ * $_) % 11 / 5 } 0..31 } }' >zyx.raw
	perl -e 'binmode STDOUT; for $x (0..31) { for $y (0..63) { print pack "f<*", map { ($_ * 7 + $y * 3 + $x * $x) % 11 / 5 } 0..31 } }' >xyz.raw
	for a in zyx xyz; do
		raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"F32","shape":[1,32,64,32],"data_offsets":[0,262144]}}' >$a.v.ts
		cat $a.raw >>$a.v.ts
	done
	{ raw_frame '{"__metadata__":{"niipipe":"1","kind":"patch","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"F32","shape":[1,32,64,32],"data_offsets":[0,262144]},"label":{"dtype":"U8","shape":[32,64,32],"data_offsets":[262144,327680]}}'
		cat zyx.raw; head -c 65536 /dev/zero; } | seg-train --arch "$arch" -o swin.ts
	seg-export swin.ts -o swin.safetensors
	seg-import -q --axes xyz --arch "$arch" swin.safetensors -o turned.ts
	ts-info turned.ts | grep -qF '"axes":"xyz"'
	ts-info turned.ts | grep -qF '"window_size":[7,4,3]'
	seg-window -m swin.ts --roi 0,0,0 --output logits zyx.v.ts | ts-select -t prob | tail -c 524288 >want
	seg-window -m turned.ts --roi 0,0,0 --output logits xyz.v.ts | ts-select -t prob | tail -c 524288 >got
	perl -e 'local $/; for (@ARGV) { open F, "<:raw", $_; push @v, [unpack "f<*", <F>] }
		for $c (0..1) { for $z (0..31) { for $y (0..63) { for $x (0..31) {
			$d = abs($v[0][(($c * 32 + $z) * 64 + $y) * 32 + $x] - $v[1][(($c * 32 + $x) * 64 + $y) * 32 + $z]); $m = $d if $d > $m } } } }
		die "$m\n" if @{$v[0]} != 131072 || !($m < 1e-4)' want got
	# written, it is as it was trained; the file says so
	seg-export turned.ts -o back.safetensors
	ts-cmp --data-only back.safetensors swin.safetensors
	seg-import -q back.safetensors | ts-cmp --meta --ignore-meta history - turned.ts
}

@test "the network: JSON on the command line, a bundle's config, what the file says" {
	same zip.pt --arch "$(cat arch.json)"
	seg-import --arch "{\"network_def\": $(cat arch.json)}" zip.pt | ts-cmp --data-only - plain.ts
	seg-import plain.ts | ts-cmp --data-only - plain.ts
	fails 1 "seg-import: zip.pt: does not say what network it is of: it has no metadata arch (seg-import --arch says it)" seg-import zip.pt
	fails 1 "seg-import: --arch: in_channels is '@channels': references and expressions are not followed" \
		seg-import --arch '{"_target_": "UNet", "in_channels": "@channels"}' zip.pt
	fails 1 'seg-import: --arch: describes no network: no "_target_" at its top, nor in network_def or network' seg-import --arch '{"net": 1}' zip.pt
	fails 1 "seg-import: architecture 'QNet' is not known (there are UNet, BasicUNet, PlainConvUNet, ResidualEncoderUNet, DynUNet, SegResNet, SegResNetDS, AttentionUnet, SwinUNETR, UNETR, VNet)" seg-import --arch '{"_target_": "QNet"}' zip.pt
	fails 1 "seg-import: JSON: line 1: ']' expected near end of file" seg-import --arch '[1' zip.pt
	fails 1 "seg-import: nosuch.json: cannot open: No such file or directory" seg-import --arch nosuch.json zip.pt
}

@test "where it comes from: the line that made it, and the hash of the file" {
	seg-import -q --arch arch.json --roi 16,16,8 zip.pt -o m.ts
	ts-info --history m.ts >line
	[ "$(head -n 1 line)" = "seg-import --arch arch.json --roi 16,16,8 zip.pt" ]
	[ "$(wc -l <line)" -eq 3 ]
	! command -v xxh64sum >/dev/null || [ "$(sed -n 's/^# //p' line)" = "$(xxh64sum zip.pt)" ]
	eval "$(cat line)" | cmp - m.ts
}

@test "nnU-Net's plans.json: the network, on transposed arrays, its preparation and patch" {
	of_fp32
	cp "$BATS_TEST_DIRNAME"/golden/import-plans.ts .
	seg-import -q --arch plans.json plans.pth -o plans.ts
	ts-select --index 0 import-plans.ts | ts-cmp --data-only plans.ts -
	ts-select --index 1 import-plans.ts >volume.ts
	seg-window --force -m plans.ts --roi 0,0,0 --output logits volume.ts | ts-cmp --data-only -t prob --atol 1e-4 - volume.ts
	grep -aqF '"roi":"16,24,8"' plans.ts
	seg-import --arch plans.json --configuration 3d_own --replay '[]' --roi 32,24,8 plans.pth | grep -aqF '"roi":"32,24,8"'
	seg-export plans.ts -o plans.safetensors
	seg-import plans.safetensors 2>said | ts-cmp --meta --ignore-meta history - plans.ts
	[ "$(cat said)" = "seg-import: plans.safetensors: tensors left out, as they repeat others bit for bit: 56" ]
}

@test "plans that ask for more" {
	fails 1 "seg-import: --arch: configuration 2d: names no network: neither architecture with network_class_name, nor UNet_class_name" \
		seg-import --arch plans.json --configuration 2d plans.pth
	fails 1 "seg-import: --arch: configuration '3d_loop' inherits from itself" seg-import --arch plans.json --configuration 3d_loop plans.pth
}

@test "replay and roi go into the model" {
	steps='[{"tool":"nii-normalize","args":{"range":[-1024,325,0,1],"clip":true}}]'
	seg-import --arch arch.json --replay "$steps" --roi 16,12,8 zip.pt >replay.ts
	volume a I16 4,4,4 "$(printf '\\0\\1%.0s' {1..64})" image >volume.ts
	nii-replay -m replay.ts volume.ts | ts-cmp - <(nii-normalize --window=-1024,325 volume.ts)
	seg-import --arch arch.json --replay replay.ts zip.pt | grep -aqF 'nii-normalize'
	grep -aqF '"roi":"16,12,8"' replay.ts
	fails 1 "seg-import: --replay: unknown step 'rm'" seg-import --arch arch.json --replay '[{"tool":"rm"}]' zip.pt
	fails 1 "seg-import: roi: input of 16,18,8 voxels (x,y,z) does not fit the network (layer model.1.submodule.0.conv): it takes multiples of 4,4,4, as 16,20,8" seg-import --arch arch.json --roi 16,18,8 zip.pt
}

@test "an imported model segments as MONAI's logits say" {
	of_fp32
	golden=$BATS_TEST_DIRNAME/golden
	seg-export -q "$golden/window_model.ts" -o w.safetensors
	seg-import w.safetensors -o w.ts
	ts-select --index 0 "$golden/window_net.ts" >net0.ts
	seg-window -m w.ts --roi 12,16,8 --output logits net0.ts | ts-cmp -t prob --atol 1e-4 --rtol 1e-4 - net0.ts
}

@test "every tensor that does not fit is listed, and nothing is written" {
	diff <(seg-import --arch arch.json misfit.pt -o left.ts 2>&1) - <<-'END'
		seg-import: misfit.pt: extra: head.weight I64 [2,3]
		seg-import: misfit.pt: wrong: model.0.conv.weight F32 [4,1,3,3] (needs F32 [4,1,3,3,3])
		seg-import: misfit.pt: missing: model.1.submodule.2.conv.bias [4]
		seg-import: misfit.pt: missing: model.2.conv.bias [2]
		seg-import: misfit.pt: 4 of its tensors do not fit the network
	END
	[ ! -e left.ts ]
	run seg-import -q --arch arch.json misfit.pt
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 5 ]
}

@test "a weight that is not finite" {
	raw_frame '{"model.0.conv.weight":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]}}' '\0\0\300\177' >nan.safetensors
	run seg-import --arch '{"_target_":"UNet","in_channels":1,"out_channels":1,"channels":[1,1],"strides":[1],"kernel_size":1,"up_kernel_size":1,"bias":false,"act":"RELU"}' nan.safetensors
	[ "$status" -eq 1 ]
	[[ ${lines[-1]} == "seg-import: nan.safetensors: 2 of its tensors do not fit the network" ]]
	raw_frame '{"model.0.conv.weight":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]},"model.1.submodule.conv.weight":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[4,8]},"model.2.conv.weight":{"dtype":"F32","shape":[2,1,1,1,1],"data_offsets":[8,16]}}' \
		'\0\0\0\0\0\0\0\0\0\0\0\0\0\0\300\177' >nan.safetensors
	fails 1 "seg-import: nan.safetensors: model.2.conv.weight holds nan at place 1: not a weight" \
		seg-import --arch '{"_target_":"UNet","in_channels":1,"out_channels":1,"channels":[1,1],"strides":[1],"kernel_size":1,"up_kernel_size":1,"bias":false,"act":"RELU"}' nan.safetensors
}

@test "--list: every tensor of a file, whatever the protocol; the rest is read past" {
	for i in 1 2 3 4 5; do
		diff <(seg-import --list protocol$i.pt) <(printf '%s\t%s\t%s\n' state_dict/a F32 '[2,3]' state_dict/b F32 '[2]' o BF16 '[2]' p I64 '[3]')
	done
	seg-import --list training.pth | grep -qxF "optimizer/state/0/exp_avg	F32	[4]"
	seg-import --list plain.safetensors | grep -qxF "model.0.conv.bias	F32	[4]"
}

@test "a pickle that asks for more is refused by what it asks for" {
	more=": a file of weights may hold tensors and containers alone (offset 27)"
	legacy '\200\2cposix\nsystem\nX\5\0\0\0touch\205R.' >evil.pt
	fails 1 "seg-import: evil.pt: asks for posix.system$more" seg-import --arch arch.json evil.pt
	fails 1 "seg-import: evil.pt: asks for posix.system$more" seg-import --list evil.pt
	legacy '\200\2cbuiltins\neval\nX\1\0\0\0001\205R.' >evil.pt
	fails 1 "seg-import: evil.pt: asks for builtins.eval$more" seg-import --arch arch.json evil.pt
	legacy '\200\4\214\2os\214\6system\223.' >evil.pt
	fails 1 "seg-import: evil.pt: asks for os.system: a file of weights may hold tensors and containers alone (offset 39)" seg-import --arch arch.json evil.pt
	legacy '\200\2(S\1\0iposix\nsystem\n.' >evil.pt
	fails 1 "seg-import: evil.pt: pickle: operation 0x53 is not known (offset 28)" seg-import --arch arch.json evil.pt
	legacy '\200\2(iposix\nsystem\n.' >evil.pt
	fails 1 "seg-import: evil.pt: asks for posix.system: a file of weights may hold tensors and containers alone (offset 28)" seg-import --arch arch.json evil.pt
	legacy '\200\2ctorch.storage\n_load_from_bytes\n.' >evil.pt
	fails 1 "seg-import: evil.pt: asks for torch.storage._load_from_bytes$more" seg-import --arch arch.json evil.pt
	legacy '\200\2ctorch\nFloatStorage\n)R.' >evil.pt
	fails 1 "seg-import: evil.pt: calls torch.FloatStorage in a way that is not understood (offset 48)" seg-import --arch arch.json evil.pt
}

@test "files that are none" {
	printf 'hello, world' >text.pt
	fails 1 "seg-import: text.pt: is neither safetensors nor a file of torch.save" seg-import --arch arch.json text.pt
	: >empty.pt
	fails 1 "seg-import: empty.pt: no frame at all: empty, or what should have written it failed" seg-import --arch arch.json empty.pt
	head -c 20000 zip.pt >cut.pt
	fails 1 "seg-import: cut.pt: has no zip directory at its end: cut off? (offset 20000)" seg-import --arch arch.json cut.pt
	head -c 20000 legacy.pt >cut.pt
	run seg-import --arch arch.json cut.pt
	[ "$status" -eq 1 ]
	[[ $output == "seg-import: cut.pt: ends inside a storage of "*" values (offset 20000)" ]]
	z() { printf '\\0%.0s' $(seq "$1"); } # so many zero bytes
	printf "PK\3\4PK\1\2$(z 6)\10$(z 17)\25$(z 17)m/code/__torch__/a.pyPK\5\6$(z 4)\1\0\1\0\103$(z 3)\4$(z 5)" >script.ts
	fails 1 "seg-import: script.ts: is a zip archive, but has no data.pkl: not written by torch.save" seg-import --arch arch.json script.ts
	{ cat legacy.pt; echo; } >junk.pt
	fails 1 "seg-import: junk.pt: 1 bytes after the last storage (offset $(stat -c %s legacy.pt))" seg-import --arch arch.json junk.pt
	fails 1 "seg-import: nosuch.pt: cannot open: No such file or directory" seg-import --arch arch.json nosuch.pt
	fails 2 "seg-import: FILE|FOLDER wanted (see seg-import --help)" seg-import --arch arch.json
}
