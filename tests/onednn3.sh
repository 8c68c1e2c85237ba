#!/bin/bash
# Say where oneDNN 3.2 is (DIR/include, DIR/lib): $NIIPIPE_ONEDNN3, or PyPI's, fetched once into build/onednn3 (39 MB; libgomp is all it needs).
set -eu
cd "$(dirname "$0")/.."
to=${NIIPIPE_ONEDNN3:-$PWD/build/onednn3}
if [ ! -e "$to/lib/libdnnl.so.3" ]; then
	tmp=$(mktemp -d build/onednn3.XXXXXX)
	trap 'rm -rf "$tmp"' EXIT
	timeout 60 python3 -m pip download -q --disable-pip-version-check --retries 1 --timeout 10 --no-deps -d "$tmp" \
		onednn-devel-cpu-gomp==2023.2.0 onednn-cpu-gomp==2023.2.0 >&2
	for wheel in "$tmp"/*.whl; do python3 -m zipfile -e "$wheel" "$tmp"; done
	mkdir "$tmp/all"
	mv "$tmp"/onednn_devel_cpu_gomp-*.data/data/include "$tmp/all"
	mkdir "$tmp/all/lib"
	mv "$tmp"/onednn_cpu_gomp-*.data/data/lib/libdnnl.so.3 "$tmp/all/lib"
	ln -s libdnnl.so.3 "$tmp/all/lib/libdnnl.so"
	rm -rf "$to"
	mv "$tmp/all" "$to"
fi
echo "$to"
