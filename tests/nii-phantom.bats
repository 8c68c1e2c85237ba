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
