#!/bin/bash
# House rules that a machine can check. Prints what breaks one, a line each; the last line counts.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0 checks=0
rule() { # rule NAME < findings
	local found
	found=$(cat)
	checks=$((checks + 1))
	[ -z "$found" ] && return
	bad=$((bad + 1))
	printf '%s\n' "$found" | sed "s|^|lint: $1: |" >&2
}
mapfile -t code < <(find tools lib kernels tests -name '*.[ch]' | sort)
mapfile -t house < <(find tools lib kernels -name '*.[ch]' | sort)
mapfile -t shell < <(find .ci pipelines tests tools -type f \( -name '*.sh' -o -name '*.bats' -o -name '*.bash' -o -name '*.sbatch' -o -name run -o -name prove-one \) | sort)

# Arrows: tools -> lib/net -> lib/volume -> lib/stream -> lib/base, lib/net -> kernels -> lib/base, lib/net -> lib/comm -> lib/base.
arrows() {
	grep -n '^#include "' "${house[@]}" | awk -F: '
	function layer(p,  a) { split(p, a, "/"); return a[1] == "lib" ? a[1] "/" a[2] : a[1] }
	BEGIN {
		may["lib/base"] = " lib/base "
		may["lib/stream"] = " lib/base lib/stream "
		may["lib/volume"] = may["lib/stream"] "lib/volume "
		may["kernels"] = " lib/base kernels "
		may["lib/comm"] = " lib/base lib/comm "
		may["lib/net"] = may["lib/volume"] "lib/net kernels lib/comm "
		may["tools"] = may["lib/net"] "tools "
	}
	{ split($3, q, "\""); from = layer($1); to = layer(q[2]); if (index(may[from], " " to " ") == 0) print $1 ":" $2 ": " from " includes " q[2] }'
}
rule arrows < <(arrows)

# A tool includes no libm, no OpenMP: the maths lies below.
rule tools-without-maths < <(grep -nE '#include <(math|omp|complex)\.h>' tools/*.c)

rule banned-calls < <(grep -nE '\b(atoi|atol|atof|sprintf|vsprintf|strcpy|strcat|strtok|gets|alloca|strtol|strtoul|strtod|strtof|sscanf|rand|srand)\(' "${house[@]}" |
	grep -vE '^lib/base/arg\.c:|^lib/stream/grid\.c:[0-9]+:.*strtod')
rule no-todo < <(grep -nE 'TODO|FIXME|XXX' "${code[@]}")
rule trailing-space < <(grep -nE '[[:blank:]]+$' "${code[@]}" "${shell[@]}" Makefile README.md man/* 2>/dev/null | cut -c1-120)
rule line-length < <(awk 'length($0) > 150 { print FILENAME ":" FNR ": " length($0) " characters" }' "${code[@]}" )

# Functions at most 100 lines, files at most 400.
rule function-length < <(awk 'FNR == 1 { open = 0 } /^\{/ { open = FNR } /^\}/ { if (open && FNR - open > 101) print FILENAME ":" open ": function of " FNR - open - 1 " lines"; open = 0 }' \
	"${house[@]}")
rule file-length < <(wc -l "${house[@]}" | awk '$1 > 400 && $2 != "total" { print $2 ": " $1 " lines" }')

# Public names carry a prefix of their module: the base name of a header in their directory, or one of these.
names() {
	local extra="lib/base:out lib/stream:tensor lib/stream:json lib/stream:dtype lib/volume:nii lib/net:model lib/net:arch lib/net:run kernels:k kernels:cpu kernels:conv kernels:dnn"
	for dir in lib/base lib/stream lib/volume lib/net lib/comm kernels; do
		local ok
		ok=$(find "$dir" -name '*.h' -exec basename {} .h \;; for x in $extra; do [ "${x%%:*}" = "$dir" ] && echo "${x#*:}"; done)
		for o in build/*obj/"$dir"/*.o build/*obj/"$dir"/*/*.o; do
			c=${o#build/*obj/}
			c=${c%.o}.c
			[ -f "$c" ] || continue
			nm -g --defined-only "$o" | awk -v ok="$ok" -v o="$c" '
				BEGIN { n = split(ok, a, "\n") }
				$3 ~ /^\.gomp/ { next } { good = 0; for (i = 1; i <= n; i++) if (tolower($3) == a[i] || index(tolower($3), a[i] "_") == 1) good = 1; if (!good) print o ": " $3 }'
		done
	done
	nm -gD --defined-only build/bin/niipipe-cpu.so | awk '$2 == "T" && $3 != "k_backend_get" { print "niipipe-cpu.so exports " $3 }'
}
rule public-names < <(names 2>/dev/null)

# Tools link neither oneDNN nor CUDA.
light() {
	for t in build/bin/*; do
	case $t in *.so) continue ;; esac
	ldd "$t" | grep -qE 'libdnnl|libcud|libcublas|libnccl|libmpi' && echo "$t links an engine library"
	done
}
rule light-tools < <(light)

# MPI's headers and NCCL's are elsewhere, NCCL's not everywhere.
mapfile -t apart < <({ mpicc --showme:incdirs | tr ' ' '\n' | sed 's/^/-I/'; } 2>/dev/null)
nccl=$(ls /usr/local/cuda/include/nccl.h 2>/dev/null) && apart+=("-isystem" "${nccl%/*}")
rule warnings < <(printf '%s\0' "${code[@]}" | grep -zv '^tests/fuzz' | grep -zv "^lib/comm/nccl${nccl:+-}" |
	xargs -0 -P 2 -n 8 gcc -fsyntax-only -x c -std=c11 -I. "${apart[@]}" -I/usr/include/nifti -fopenmp -D_FILE_OFFSET_BITS=64 \
	-D_DEFAULT_SOURCE -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers -Wno-pragma-once-outside-header 2>&1 |
	grep -E 'warning|error')
# [ A ] && [ B ]: a false A ends no bats test.
rule tests-that-fail < <(grep -nE '^[[:blank:]]+(\[|!|grep |cmp |ts-cmp ).* && (\[|!|grep |cmp |ts-cmp )' tests/*.bats | grep -vE '[|][|]|&& return')
rule shellcheck < <(shellcheck -f gcc "${shell[@]}" 2>&1 | grep -v 'note:')
rule mandoc < <(for p in man/*.[1-8]; do mandoc -T lint -W warning "$p"; done 2>&1)
# Words behind a macro's punctuation are set as its arguments: -with -axial -slices.
rule words-of-macros < <(grep -nE '^\.(Fl|Ar|Cm|Pa) .* [,;:.] +[a-z]{2,} [a-z]' man/*)
# A table too wide for a terminal: its last column is a strip of words, one below the other.
rule wide-tables < <(for p in man/*.[1-8]; do
	mandoc -T ascii -O width=78 "$p" | sed 's/.\x08//g' | awk -v p="$p" '{ match($0, /^ */); n = RLENGTH >= 50 && length > RLENGTH ? n + 1 : 0 } n == 3 { print p ": " $0 }'
done)
# A backend of another day that loads is worse than one that is refused.
sum=$(grep -v K_ABI kernels/backend.h | cksum | cut -d ' ' -f 1)
rule abi < <(grep -q "K_ABI.*cksum $sum " kernels/backend.h || echo "kernels/backend.h has changed: raise K_ABI and put cksum $sum there")
rule complete < <(for t in tools/*.c; do n=$(basename "$t" .c); [ -e "man/$n.1" ] || echo "$n has no man page"; [ -e "tests/$n.bats" ] || echo "$n has no tests/$n.bats"; done)

echo "lint: $((checks - bad)) passed, $bad failed"
[ "$bad" -eq 0 ]
