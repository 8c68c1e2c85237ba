#!/usr/bin/env bats
# 300 steps on phantoms beside MONAI's, from the same weights and on the same patches (tests/golden/make_curve.py): in every 20 steps nearer to its curve than
# two seeds of its own are to each other, in the mean and at most; and the final Dice not below its own.
load helper

@test "300 steps: the losses stay within what two MONAI seeds differ by, the Dice is not below MONAI's" {
	of_fp32
	cd "$BATS_TEST_TMPDIR"
	golden=$ROOT/tests/golden/curve.tsv
	while IFS= read -r command; do bash -o pipefail -ec "$command"; done < <(sed -n 's/^run\t//p' "$golden")
	[ "$(sha256sum <patches.ts | cut -d ' ' -f 1)" = "$(sed -n 's/^sum\t//p' "$golden")" ] || { echo "other patches than MONAI had: run make_curve.py"; return 1; }
	# shellcheck disable=SC2046
	seg-train $(sed -n 's/^options\t//p' "$golden") --threads 1 --val val.ts --log l.tsv -o m.ts patches.ts
	dice=$(ts-info m.ts | sed -n 's/.*"best_val_dice":\([0-9.e-]*\).*/\1/p')
	cut -f 3 l.tsv | tail -n +2 | cat - <(echo "$dice") | paste - <(sed -n 's/^same\t//p' "$golden" | tr '\t' '\n') <(sed -n 's/^one\t//p' "$golden" | tr '\t' '\n') \
		<(sed -n 's/^two\t//p' "$golden" | tr '\t' '\n') | awk '
		function away(a, b) { return a > b ? a - b : b - a }
		NR <= 5 && away($1, $2) > 1e-5 { print "step", NR, $0; bad = 1 }
		NR <= 300 { ours += a = away($1, $2); seeds += b = away($3, $4); if (a > most) most = a; if (b > between) between = b }
		NR <= 300 && NR % 20 == 0 {
			if (!(ours < seeds && most < between)) { print "steps to", NR, ours / 20, seeds / 20, most, between; bad = 1 }
			ours = seeds = most = between = 0
		}
		NR == 301 { if (!($1 >= $2)) { print "dice", $0; bad = 1 } }
		END { exit bad || NR != 301 }'
}
