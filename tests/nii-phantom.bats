# nii-phantom: the same patient whatever the grid, threads or --skip.
load helper

sums() { sha256sum | cut -d' ' -f1; }

@test "the same bytes for any number of threads" {
	[ "$(nii-phantom -n 2 -s 31,29,17 --threads 1 | sums)" = "$(nii-phantom -n 2 -s 31,29,17 --threads 3 | sums)" ]
}

@test "--skip goes on where -n would" {
	cd "$BATS_TEST_TMPDIR"
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
	cd "$BATS_TEST_TMPDIR"
	nii-phantom --spacing 7.2,7.2,9 | head -c 400 | grep -a -F '"shape":[1,32,48,48]'
	nii-phantom -s 48,48,32 | head -c 2000 | grep -a -F '"spacing\":[7.2'
}

@test "misuse is told" {
	run nii-phantom --volume 3,2
	[ "$status" = 2 ] && [ "${lines[0]}" = "nii-phantom: --volume: 3 is more than 2" ]
	run nii-phantom --healthy 1.5
	[ "$status" = 2 ]
}
