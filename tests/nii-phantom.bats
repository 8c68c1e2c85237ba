# nii-phantom: the same patient whatever the grid, threads or --skip.
load helper

sums() { sha256sum | cut -d' ' -f1; }

@test "the same bytes for any number of threads" {
	[ "$(nii-phantom -n 2 -s 31,29,17 --threads 1 | sums)" = "$(nii-phantom -n 2 -s 31,29,17 --threads 3 | sums)" ]
}

@test "--skip goes on where -n would" {
	cd "$BATS_TEST_TMPDIR" || exit
	nii-phantom -n 3 -s 24,24,12 >three.ts
	nii-phantom -n 1 -s 24,24,12 >a.ts
	nii-phantom -n 2 --skip 1 -s 24,24,12 >b.ts
	cat a.ts b.ts | cmp - three.ts
}

@test "another seed is another patient" {
	[ "$(nii-phantom -s 24,24,12 | sums)" != "$(nii-phantom -s 24,24,12 --seed 2 | sums)" ]
}

@test "sizes of one voxel and primes" {
	for s in 1,1,1 1,7,3 13,1,5 5,3,1; do nii-phantom -s $s -o "$BATS_TEST_TMPDIR/x.ts"; done
}

@test "the size follows from the spacing and the other way round" {
	nii-phantom --spacing 7.2,7.2,9 | ts-info | grep -F '48x48x32 voxels of 7.2x7.2x9 mm, axes LPS'
	nii-phantom -s 48,48,32 | ts-info | grep -F '48x48x32 voxels of 7.2x7.2x9 mm, axes LPS'
}

@test "misuse is told" {
	fails 2 "nii-phantom: --volume: 3 is more than 2 (see nii-phantom --help)" nii-phantom --volume 3,2
	fails 2 "nii-phantom: --healthy: 1.5 is not in 0..1 (see nii-phantom --help)" nii-phantom --healthy 1.5
}

@test "--into plants where there is lung and leaves the rest alone" {
	cd "$BATS_TEST_TMPDIR" || exit
	nii-phantom -n 2 --healthy 1 -s 96,96,64 >scans.ts
	nii-phantom --into scans.ts --healthy 0 --volume 5,10 --threads 1 >a.ts
	nii-phantom --into - --healthy 0 --volume 5,10 --threads 2 <scans.ts | cmp - a.ts
	for i in 0 1; do # 5 to 20 mL of voxels of 58.32 mm3, give or take a third
		n=$(ts-select --index $i a.ts | nii-write | tail -c $((96 * 96 * 64)) | tr -d '\0' | wc -c)
		echo "voxels $n"
		[ "$n" -ge 55 ]
		[ "$n" -le 460 ]
	done
	run ts-cmp -q scans.ts a.ts
	[ "$status" = 1 ]
	nii-phantom --into scans.ts --healthy 1 | ts-cmp -t image - scans.ts
}

@test "--into refuses what is no chest" {
	cd "$BATS_TEST_TMPDIR" || exit
	nii-phantom -s 8,8,8 --spacing 3,3,3 >small.ts
	fails 1 "nii-phantom: small.ts: phantom-0001: no lungs found (150 mL or more below -400 HU that do not touch the sides)" nii-phantom --into small.ts
	fails 2 "nii-phantom: --into takes number and grid from the scans: no -n, --size, --spacing (see nii-phantom --help)" nii-phantom --into small.ts -n 2
}

@test "tumours in real scans" {
	need_data ct/LUNG1-002
	nii-read "$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz" | nii-phantom --into - --healthy 0 | ts-info | grep -E 'label +U8'
}
