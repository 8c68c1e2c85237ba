#!/bin/bash
# folds.sh [SBATCH OPTION ...] -- [VARIABLE=VALUE ...]: a cross-validation as SLURM jobs: prepare, then an array over the folds, then the ensemble and the
# table. The variables are cross-validate.mk's. Prints the last job's number.
set -eu -o pipefail
case ${1-} in --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;; esac
here=$(cd "$(dirname "$(realpath "$0")")" && pwd)
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
[ "${1-}" = -- ] || { echo "folds.sh: -- is needed before the variables (see folds.sh --help)" >&2; exit 2; }
shift
folds=5
for v; do case $v in FOLDS=*) folds=${v#FOLDS=} ;; esac; done
case $folds in '' | *[!0-9]* | 0 | 1) echo "folds.sh: FOLDS=$folds is not a number of folds" >&2; exit 2 ;; esac

made() { printf '%q ' make --no-print-directory -f "$here/../cross-validate.mk" "$@"; }
first=$(sbatch --parsable "${options[@]}" --job-name=niipipe-prepare --output=niipipe-prepare-%j.log --wrap "$(made "$@" prepared)")
middle=$(NIIPIPE_PIPELINES=$here/.. sbatch --parsable "${options[@]}" --dependency="afterok:$first" --kill-on-invalid-dep=yes --array="0-$((folds - 1))" "$here/folds.sbatch" "$@")
sbatch --parsable "${options[@]}" --dependency="afterok:$middle" --kill-on-invalid-dep=yes --job-name=niipipe-table --output=niipipe-table-%j.log --wrap "$(made "$@" all)"
