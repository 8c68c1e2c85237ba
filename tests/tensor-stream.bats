# The examples of tensor-stream(5) are what they say.
load helper

# The n-th literal display of EXAMPLES as plain text.
display() {
	awk -v want="$1" '/^\.Sh EXAMPLES/ { on = 1 } /^\.Sh SEE/ { on = 0 } on && /^\.Bd -literal/ { n++; lit = 1; next } /^\.Ed/ { lit = 0 }
		on && lit && n == want { gsub(/\\e/, "\\"); print }' "$ROOT/man/tensor-stream.5"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	nii-phantom -n 2 --seed 1 --size 24,20,16 --spacing 14,15,20 -o cases.ts
}

@test "the filter in C compiles without a warning and filters" {
	display 1 >floor.c
	cc -std=gnu11 -O2 -Wall -Wextra -Werror -o floor floor.c
	./floor -30000 <cases.ts | cmp - cases.ts
	./floor -500 <cases.ts >floored.ts
	[ "$(ts-info --stats floored.ts | grep -c '^  image .* min -500,')" -eq 2 ]
	ts-cmp -t label floored.ts cases.ts
	volume a I16 1,1,3 '\0\xff\0\xfe\1\0' image >in.ts # -256 -512 1
	volume a I16 1,1,3 '\0\xff\0\xff\1\0' image >out.ts
	./floor -256 <in.ts | cmp - out.ts
}

@test "it refuses what is no stream" {
	display 1 >floor.c
	cc -std=gnu11 -o floor floor.c
	fails 1 "floor: standard input: no frame at all" ./floor </dev/null
	head -c -1 cases.ts >t.ts
	fails 1 "floor: standard input: ends inside a frame" ./floor <t.ts
	head -c 5 cases.ts >t.ts
	fails 1 "floor: standard input: ends inside a frame" ./floor <t.ts
	fails 1 "floor: standard input: not a frame" ./floor <floor.c
	run bash -c './floor <cases.ts >/dev/full'
	[ "$status" -eq 1 ]
}

@test "the frames in Python" {
	python=${PYTHON:-python3}
	"$python" -c 'import safetensors.numpy' 2>/dev/null || skip "no Python with safetensors and numpy (PYTHON)"
	display 3 >frames.py
	[ "$("$python" frames.py <cases.ts)" = "phantom-0001 {'image': (1, 16, 20, 24), 'label': (16, 20, 24)}
phantom-0002 {'image': (1, 16, 20, 24), 'label': (16, 20, 24)}" ]
}
