#!/usr/bin/env bats
# What is wrong with volumes in practice, filter by filter: an error, word for word, or a result that the page defines. Nothing is ever written half.
load helper

# both ID DTYPE SHAPE DATA DTYPE SHAPE DATA: a frame of image and label; its affine is $AFFINE or the identity.
both() {
	local n m
	n=$(printf "$4" | wc -c) m=$(printf "$7" | wc -c)
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"${AFFINE-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1}\"},\"image\":{\"dtype\":\"$2\",\"shape\":[$3],\"data_offsets\":[0,$n]},\"label\":{\"dtype\":\"$5\",\"shape\":[$6],\"data_offsets\":[$n,$((n + m))]}}" "$4$7"
}
times() { local i; for ((i = 0; i < $1; i++)); do printf '%s' "$2"; done; }

setup_file() {
	local zero='\0\0\0\0' one='\0\0\200\77' nan='\0\0\300\177' inf='\0\0\200\177' half some
	cd "$BATS_FILE_TMPDIR" || return 1
	half="$(times 12 $one)$(times 12 $zero)" some="\\0\\1\\1\\0$(times 20 '\0')" # two voxels of label 1 in row 0 of slice 0
	both nan F32 1,2,3,4 "$(times 5 $one)$nan$(times 18 $zero)" U8 2,3,4 "$some" >nan.ts
	both inf F32 1,2,3,4 "$(times 5 $one)$inf$(times 18 $zero)" U8 2,3,4 "$some" >inf.ts
	both constant F32 1,2,3,4 "$(times 24 $one)" U8 2,3,4 "$some" >constant.ts
	both zero F32 1,2,3,4 "$(times 24 $zero)" U8 2,3,4 "$some" >zero.ts
	both empty F32 1,2,3,4 "$half" U8 2,3,4 "$(times 24 '\0')" >empty.ts
	AFFINE='1 0 0 0 0 0 0 0 0 0 1 0 0 0 0 1' both flat F32 1,2,3,4 "$half" U8 2,3,4 "$some" >flat.ts
	AFFINE='-1 0 0 0 0 -2 0 0 0 0 -3 0 0 0 0 1' both negative F32 1,2,3,4 "$half" U8 2,3,4 "$some" >negative.ts
	AFFINE='1 1 0 0 1 1 0 0 0 0 1 0 0 0 0 1' both singular F32 1,2,3,4 "$half" U8 2,3,4 "$some" >singular.ts
	AFFINE='1 0 0 0 0 nan 0 0 0 0 1 0 0 0 0 1' both broken F32 1,2,3,4 "$half" U8 2,3,4 "$some" >broken.ts
	both wide F32 1,2,3,4 "$half" I16 2,3,4 "\\54\\1\\54\\1\\373\\377$(times 42 '\0')" >wide.ts # 300 300 -5
	both two F32 2,1,3,4 "$half" U8 1,3,4 "\\0\\1\\1$(times 9 '\0')" >two.ts
	both five F32 1,1,2,3,4 "$half" U8 2,3,4 "$some" >five.ts
	both one F32 1,1,1,1 "$one" U8 1,1,1 '\1' >one.ts
	both none F32 1,0,3,4 '' U8 0,3,4 '' >none.ts
	both other F32 1,2,3,4 "$half" U8 1,3,4 "$(times 12 '\1')" >other.ts
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"apart","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,2,2],"data_offsets":[0,4]},"m":{"dtype":"U8","shape":[1,1,2],"data_offsets":[4,6]}}' '\1\1\1\1\1\1' >apart.ts # m: a tensor of another grid
	# every other voxel along each axis: 4096 components
	{ raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"many","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"label":{"dtype":"U8","shape":[32,32,32],"data_offsets":[0,32768]}}' && perl -e 'for $z (0..31) { for $y (0..31) { print pack "C*", map { !(($_ | $y | $z) & 1) } 0..31 } }'; } >many.ts
}

# What a tool made of it, as lines: a stream's statistics, a file's, a table, the kind of a picture.
made() {
	case $1 in
	nii-write) nii-read --id x out.nii | ts-info --stats ;;
	seg-score | ts-info) tr '\t' ' ' <out.nii ;;
	nii-view) head -c 4 out.nii | tr -d '\211' ;;
	*) ts-info --stats out.nii ;;
	esac | tr -s ' '
}

# Rows of CASE | COMMAND | = a line of what is made, or the message after "tool: file: id: ".
rows() {
	local case cmd want tool said status bad=0 n=0
	cd "$BATS_FILE_TMPDIR" || return 1
	while IFS='|' read -r case cmd want; do
		case=${case//[[:space:]]/} want=${want# }
		[ -n "$case" ] || continue
		read -ra cmd <<<"$cmd"
		tool=${cmd[0]} n=$((n + 1))
		rm -f out.nii
		said=$(timeout 20 "${cmd[@]}" -o out.nii "$case.ts" 2>&1) && status=0 || status=$?
		case $status/$want in
		0/=*) made "$tool" | grep -qF -- "${want#= }" && continue; said=$(made "$tool") ;;
		1/[!=]*) [ "$said" = "$tool: $case.ts: $case: $want" ] && [ ! -e out.nii ] && continue ;;
		esac
		printf '%s: %s\nexpected: %s\nfound: %s\n' "$case" "${cmd[*]}" "$want" "$said"
		bad=1
	done
	[ "$bad" -eq 0 ]
	[ "$n" -gt 0 ]
}

@test "nii-normalize" {
	rows <<-'END'
		nan      | nii-normalize --window 0,1          | image: voxel 1,1,0 of channel 0 is nan (expected finite values)
		nan      | nii-normalize --zscore              | image: voxel 1,1,0 of channel 0 is nan (expected finite values)
		nan      | nii-normalize --percentile 1,99     | image: voxel 1,1,0 of channel 0 is nan (expected finite values)
		nan      | nii-normalize --preset lung,bone    | image: voxel 1,1,0 of channel 0 is nan (expected finite values)
		inf      | nii-normalize --window 0,1          | image: voxel 1,1,0 of channel 0 is infinite (expected finite values)
		inf      | nii-normalize --zscore-nonzero      | image: voxel 1,1,0 of channel 0 is infinite (expected finite values)
		constant | nii-normalize --zscore              | = image F32 [1,2,3,4] 96 bytes, min 0, max 0, mean 0
		constant | nii-normalize --zscore-nonzero      | = image F32 [1,2,3,4] 96 bytes, min 0, max 0, mean 0
		constant | nii-normalize --percentile 1,99     | = image F32 [1,2,3,4] 96 bytes, min 0, max 0, mean 0
		zero     | nii-normalize --zscore-nonzero      | = image F32 [1,2,3,4] 96 bytes, min 0, max 0, mean 0
		empty    | nii-normalize --zscore --mask label | mask: no voxel of 'label' is above 0: nothing to take statistics of
		empty    | nii-normalize --percentile 1,99 --mask label | mask: no voxel of 'label' is above 0: nothing to take statistics of
		other    | nii-normalize --zscore --mask label | 'label' is on another grid than 'image' (4x3x1 against 4x3x2 voxels)
		flat     | nii-normalize --window 0,2          | = image F32 [1,2,3,4] 96 bytes, min 0, max 0.5, mean 0.25
		broken   | nii-normalize --window 0,1          | metadata affine: number 6 of 16 is missing or not finite
		wide     | nii-normalize --zscore --mask label | = label I16 [2,3,4] 48 bytes, min -5, max 300
		two      | nii-normalize --zscore --channel-wise | = image F32 [2,1,3,4] 96 bytes, min 0, max 0, mean 0
		two      | nii-normalize --preset lung,bone    | image has 2 channels (expected one, for several windows)
		five     | nii-normalize --window 0,1          | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		one      | nii-normalize --zscore              | = image F32 [1,1,1,1] 4 bytes, min 0, max 0, mean 0
		one      | nii-normalize --percentile 0,100    | = image F32 [1,1,1,1] 4 bytes, min 0, max 0, mean 0
		none     | nii-normalize --window 0,1          | tensor 'image' has no voxels
		many     | nii-normalize --window 0,1          | no tensor 'image' in this frame
	END
}

@test "nii-crop" {
	rows <<-'END'
		nan      | nii-crop --above 0.5                | = image F32 [1,1,2,4] 32 bytes, min 0, max 1, mean 0.714285714, 1 NaN
		inf      | nii-crop --above 0.5                | = image F32 [1,1,2,4] 32 bytes
		zero     | nii-crop --above 0.5                | no voxel above 0.5: nothing to crop to
		empty    | nii-crop --label                    | no voxel of label above 0: nothing to crop to
		empty    | nii-crop --lungs                    | no lungs found (150 mL or more below -400 HU that do not touch the sides)
		one      | nii-crop --box 1,0,0,2,1,1          | the box 1..2 on axis x lies outside of the volume's 1 voxels
		empty    | nii-crop --box=-9,0,0,0,1,1         | the box -9..0 on axis x lies outside of the volume's 4 voxels
		empty    | nii-crop --box=-1,-1,-1,5,4,3       | = image F32 [1,4,5,6] 480 bytes, min 0, max 1, mean 0.1
		flat     | nii-crop --label                    | = label U8 [1,1,2] 2 bytes, min 1, max 1
		flat     | nii-crop --label --margin 2         | affine: axis y has no length: a margin in mm is not known in voxels
		flat     | nii-crop --body                     | the affine has an axis of no length
		negative | nii-crop --label --margin 2         | = label U8 [3,3,6] 54 bytes
		negative | nii-crop --label                    | = grid 2x1x1 voxels of 1x2x3 mm, axes LPI
		broken   | nii-crop --label                    | metadata affine: number 6 of 16 is missing or not finite
		wide     | nii-crop --label                    | = label I16 [1,1,2] 4 bytes, min 300, max 300
		two      | nii-crop --lungs                    | tensor 'image' has 24 values (expected one channel of 12 voxels, in HU)
		two      | nii-crop --above 0.5                | = image F32 [2,1,3,4] 96 bytes
		five     | nii-crop --pad                      | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		one      | nii-crop --pad --multiple 4         | = image F32 [1,4,4,4] 256 bytes, min 0, max 1, mean 0.015625
		one      | nii-crop --label                    | = label U8 [1,1,1] 1 bytes, min 1, max 1
		none     | nii-crop --pad                      | tensor 'image' has no voxels
	END
}

@test "nii-resample, nii-invert, nii-patch, nii-augment" {
	rows <<-'END'
		flat     | nii-resample -s 2                   | affine: axis y has no length
		singular | nii-resample -s 2                   | affine is singular: its axes lie in a plane (volume between them 0)
		broken   | nii-resample -s 2                   | metadata affine: number 6 of 16 is missing or not finite
		constant | nii-resample -s 0.7                 | = min 1, max 1, mean 1
		negative | nii-resample -s 1                   | = axes LPI
		one      | nii-resample -s 0.5                 | = image F32 [1,1,1,1] 4 bytes, min 1, max 1, mean 1
		two      | nii-resample --orient LPS           | = image F32 [2,1,3,4] 96 bytes
		five     | nii-resample -s 2                   | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		none     | nii-resample -s 2                   | tensor 'image' has no voxels
		broken   | nii-invert                          | metadata affine: number 6 of 16 is missing or not finite
		one      | nii-invert                          | = label U8 [1,1,1] 1 bytes, min 1, max 1
		five     | nii-patch -s 2 -n 1 --per-volume 1  | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		none     | nii-patch -s 2 -n 1 --per-volume 1  | tensor 'image' has no voxels
		one      | nii-patch -s 2 -n 1 --per-volume 1  | = label U8 [2,2,2] 8 bytes, min 0, max 1, mean 0.125
		five     | nii-augment --flip x --seed 1       | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		broken   | nii-augment --flip x --seed 1       | metadata affine: number 6 of 16 is missing or not finite
	END
}

@test "nii-write, nii-view" {
	rows <<-'END'
		nan      | nii-write -t image                  | = min 0, max 1, mean 0.217391304, 1 NaN
		flat     | nii-write                           | header to be written: the affine (sform) is singular (offset 280)
		singular | nii-write                           | header to be written: the affine (sform) is singular (offset 280)
		broken   | nii-write                           | metadata affine: number 6 of 16 is missing or not finite
		negative | nii-write                           | = grid 4x3x2 voxels of 1x2x3 mm, axes LPI
		wide     | nii-write                           | = image I16 [1,2,3,4] 48 bytes, min -5, max 300
		two      | nii-write -t image                  | = image F32 [2,1,3,4] 96 bytes
		five     | nii-write -t image                  | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		one      | nii-write -t image                  | = image F32 [1,1,1,1] 4 bytes, min 1, max 1
		none     | nii-write                           | tensor 'image' has no voxels
		other    | nii-write                           | 'label' is on another grid than 'image' (4x3x1 against 4x3x2 voxels)
		nan      | nii-view                            | = PNG
		inf      | nii-view                            | = PNG
		flat     | nii-view                            | = PNG
		one      | nii-view                            | = PNG
		five     | nii-view                            | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		none     | nii-view                            | tensor 'image' has no voxels
		other    | nii-view                            | 'label' is on another grid than 'image' (4x3x1 against 4x3x2 voxels)
		empty    | nii-view --recist --close 5         | = PNG
		one      | nii-view --recist --close 5 --strip | = PNG
		wide     | nii-view --recist --marks both      | = PNG
		flat     | nii-view --recist                   | the affine is singular: no lengths in mm
		singular | nii-view --recist                   | the affine is singular: no lengths in mm
		nan      | nii-view --preset lung              | tensor 'image' is not in HU: no window by name
	END
}

@test "components" {
	rows <<-'END'
		empty    | cc-largest                          | = label U8 [2,3,4] 24 bytes, min 0, max 0
		many     | cc-largest                          | = label U8 [32,32,32] 32768 bytes, min 0, max 1, mean 3.05175781e-05
		many     | cc-largest -k 4095                  | = label U8 [32,32,32] 32768 bytes, min 0, max 1, mean 0.124969482
		broken   | cc-largest                          | metadata affine: number 6 of 16 is missing or not finite
		other    | cc-largest                          | 'label' is on another grid than 'image' (4x3x1 against 4x3x2 voxels)
		broken   | cc-largest -t label                 | metadata affine: number 6 of 16 is missing or not finite
		broken   | cc-filter -k 7                      | metadata affine: number 6 of 16 is missing or not finite
		other    | cc-filter --fill-holes              | 'label' is on another grid than 'image' (4x3x1 against 4x3x2 voxels)
		apart    | cc-largest -t m                     | tensor 'm' is on another grid than the frame's others
		apart    | cc-filter -t m --fill-holes         | tensor 'm' is on another grid than the frame's others
		apart    | cc-filter --on m -t m -k 1          | tensor 'm' is on another grid than the frame's others
		apart    | seg-recist -t m                     | tensor 'm' is on another grid than the frame's others
		apart    | seg-stats -t m                      | tensor 'm' is on another grid than the frame's others
		wide     | cc-largest                          | = label I16 [2,3,4] 48 bytes, min -5, max 300
		one      | cc-largest                          | = label U8 [1,1,1] 1 bytes, min 1, max 1
		none     | cc-largest                          | tensor 'label' has no voxels
		empty    | cc-filter --min-voxels 2            | = label U8 [2,3,4] 24 bytes, min 0, max 0
		many     | cc-filter --min-voxels 2            | = label U8 [32,32,32] 32768 bytes, min 0, max 0
		many     | cc-filter --fill-holes              | = label U8 [32,32,32] 32768 bytes, min 0, max 1, mean 0.125
		wide     | cc-filter --min-voxels 2            | = label I16 [2,3,4] 48 bytes, min 0, max 300
		one      | cc-filter --fill-holes              | = label U8 [1,1,1] 1 bytes, min 1, max 1
		flat     | cc-filter --min-volume 2            | affine: a voxel has no volume (0 mm3)
		singular | cc-filter --min-volume 2            | affine: a voxel has no volume (0 mm3)
		negative | cc-filter --min-volume 12           | = label U8 [2,3,4] 24 bytes, min 0, max 1
		negative | cc-filter --min-volume 12.1         | = label U8 [2,3,4] 24 bytes, min 0, max 0
		empty    | cc-filter --on-organ lungs          | no lungs found (150 mL or more below -400 HU that do not touch the sides)
		two      | cc-filter --on-organ body           | tensor 'image' has 24 values (expected one channel of 12 voxels, in HU)
		flat     | cc-filter --on label --on-grow 3    | affine: axis y has no length
		nan      | cc-filter --on image -k 1           | tensor 'image' is F32 with 4 axes (expected integers [Z,Y,X])
	END
}

@test "seg-score, ts-info" {
	rows <<-'END'
		empty    | seg-score --truth label --pred label | = empty 1 nan nan 0 0 nan nan 0 0 nan nan 0 0 nan nan
		many     | seg-score --truth label --pred label | = many 1 1 1 4.096 4.096 0 0
		wide     | seg-score --truth label --pred label | = wide 300 1 1 0.002 0.002 0 0
		wide     | seg-score --truth label --pred label | = wide -5 1 1 0.001 0.001 0 0
		negative | seg-score --truth label --pred label | = negative 1 1 1 0.012 0.012 0 0
		flat     | seg-score --truth label --pred label | the affine is singular: no lengths in mm
		singular | seg-score --truth label --pred label | the affine is singular: no lengths in mm
		broken   | seg-score --truth label --pred label | metadata affine: number 6 of 16 is missing or not finite
		one      | seg-score --truth label --pred label | = one 1 1 1 0.001 0.001 0 0
		none     | seg-score --truth label --pred label | tensor 'label' has no voxels
		nan      | ts-info --stats                     | = min 0, max 1, mean 0.217391304, 1 NaN
		inf      | ts-info --stats                     | = image F32 [1,2,3,4] 96 bytes
		five     | ts-info                             | tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
		none     | ts-info                             | tensor 'image' has no voxels
	END
}

@test "seg-argmax" {
	local h='{"__metadata__":{"niipipe":"1","kind":"volume","id":"p","prob":"logits","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"prob":{"dtype":"F32","shape":[2,1,1,1],"data_offsets":[0,8]}}'
	cd "$BATS_TEST_TMPDIR"
	raw_frame "$h" '\0\0\300\177\0\0\0\0' >nan.ts
	raw_frame "$h" '\0\0\0\0\0\0\200\177' >inf.ts
	raw_frame "$h" '\0\0\0\0\0\0\0\0' >tie.ts
	for f in nan inf; do
		fails 1 "seg-argmax: $f.ts: p: tensor 'prob' is not finite at slice 0" seg-argmax -o out $f.ts
		fails 1 "seg-argmax: $f.ts: p: tensor 'prob' is not finite at slice 0" seg-argmax --threshold 0.5 -o out $f.ts
		[ ! -e out ]
	done
	seg-argmax tie.ts | ts-info --stats | tr -s ' ' | grep -qF 'pred U8 [1,1,1] 1 bytes, min 0, max 0'
}

# A NIfTI-1 file of 4x3x2 floats with bytes changed: FILE OFFSET BYTES ...
bad_nifti() {
	local file=$1
	cp good.nii "$file"
	shift
	while [ $# -gt 0 ]; do
		printf "$2" | dd of="$file" bs=1 seek="$1" conv=notrunc status=none
		shift 2
	done
}

@test "nii-read" {
	cd "$BATS_FILE_TMPDIR"
	nii-write -t image -o good.nii empty.ts
	bad() { bad_nifti x.nii "${@:2}"; fails 1 "nii-read: x.nii: $1" nii-read -o out x.nii; [ ! -e out ]; }
	good() { bad_nifti x.nii "${@:2}"; nii-read x.nii | ts-info --stats | tr -s ' ' | grep -F -- "$1"; }
	bad 'RGB voxels (datatype 128): only integers and floats of 8 to 64 bits are read (offset 70)' 70 '\200\0\30\0'
	bad 'RGBA voxels (datatype 2304): only integers and floats of 8 to 64 bits are read (offset 70)' 70 '\0\11\40\0'
	bad 'complex voxels (datatype 32): only integers and floats of 8 to 64 bits are read (offset 70)' 70 '\40\0\100\0'
	bad '1-bit voxels (datatype 1): only integers and floats of 8 to 64 bits are read (offset 70)' 70 '\1\0\1\0'
	bad 'dim[5] is 2: two axes beyond x, y, z (only one can become the channels) (offset 50)' 40 '\5\0\2\0\3\0\1\0\2\0\2\0'
	good 'image F32 [2,2,3,2] 96 bytes' 40 '\5\0\2\0\3\0\2\0\1\0\2\0'
	good 'image F32 [2,1,3,4] 96 bytes' 40 '\4\0\4\0\3\0\1\0\2\0'
	bad 'dim[3] is 0 (expected 1 to 32767) (offset 46)' 46 '\0\0'
	bad 'dim[3] is -2 (expected 1 to 32767) (offset 46)' 46 '\376\377'
	bad 'pixdim[2] is 0 (expected mm) (offset 84)' 84 '\0\0\0\0' 252 '\0\0\0\0'
	bad 'pixdim[2] is 0 (expected mm) (offset 84)' 84 '\0\0\0\0' 254 '\0\0'
	bad 'pixdim[2] is nan (offset 84)' 84 '\0\0\300\177'
	good 'voxels of 1x1x1 mm, axes LAS' 84 '\0\0\200\277' 252 '\0\0\0\0'
	bad 'the affine (sform) is singular (offset 280)' 296 '\0\0\0\0\0\0\0\0\0\0\0\0'
	bad 'the affine (sform) has nan in it (offset 280)' 280 '\0\0\300\177'
	bad 'scl_slope is infinite (offset 112)' 112 '\0\0\200\177'
	good 'min 0, max 1' 112 '\0\0\300\177'
	good 'min 0, max 1, mean 0.47826087, 1 NaN' 352 '\0\0\300\177'
	bad_nifti x.nii 352 '\0\0\300\177'
	fails 1 'nii-read: x.nii: label is not a whole number (voxel 0,0,0: found nan)' nii-read -l x.nii good.nii
	bad_nifti x.nii 352 '\0\0\200\177'
	fails 1 'nii-read: x.nii: label is not a whole number (voxel 0,0,0: found inf)' nii-read -l x.nii good.nii
	bad_nifti x.nii 352 '\0\0\226\103' # 300
	nii-read -l x.nii good.nii | ts-info --stats | tr -s ' ' | grep -F 'label U16 [2,3,4] 48 bytes, min 0, max 300'
}
