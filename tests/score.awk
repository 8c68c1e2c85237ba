# awk -v rtol=R -f score.awk SCORES.json EXPECTED.tsv: do the cases of seg-score --json have the numbers of the table, column by column? Says what differs.
function far(a, b) {
	if (a == b) return 0
	if (a ~ /nan|null|inf/ || b ~ /nan|inf/) return 1
	return (a - b) ^ 2 > (rtol * b) ^ 2 + 1e-24
}
FNR == NR { # a line a member, as jansson indents it
	if (/"summary"/) over = 1
	if (over || !/^   "/) next
	split($0, q, "\"")
	value = $0
	sub(/^[^:]*: "?/, "", value)
	sub(/"?,?$/, "", value)
	if (q[2] == "id") id = value
	else if (q[2] == "label") label = value
	else got[id, label, q[2]] = value == "null" ? "nan" : value
	next
}
FNR == 1 { for (i = 3; i <= NF; i++) name[i] = $i; next }
{
	for (i = 3; i <= NF; i++) {
		g = ($1, $2, name[i]) in got ? got[$1, $2, name[i]] : "nothing"
		if (far(g, $i)) { print $1, $2, name[i] ": " g ", not " $i; bad = 1 }
		n++
	}
}
END { if (!n) print "nothing compared"; exit bad || !n }
