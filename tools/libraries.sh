#!/bin/bash
# What programs and shared objects link to beyond what every Linux has (the C, C++ and gcc libraries), into a directory, and what each one's
# licence is into DIR/licences where Debian's packages say it: libraries.sh DIR FILE...
set -eu
dir=$1
shift
linked=$(for f in "$@"; do ldd "$f" | sed "s|^|$f:|"; done)
if grep -m 1 'not found$' <<<"$linked" >&2; then exit 1; fi
sed -nE 's|.* => (/.*) \(0x[0-9a-f]+\)$|\1|p' <<<"$linked" | sort -u | grep -vE '/(libc|libm|libpthread|libdl|librt|libstdc\+\+|libgcc_s|ld-linux[^/]*)\.so' | while read -r lib; do
	install -D -m 644 "$lib" "$dir/${lib##*/}"
	package=$(dpkg-query -S "*/$(basename "$(readlink -f "$lib")")" 2>/dev/null | sed 's/:.*//;q')
	said=/usr/share/doc/$package/copyright
	if [ -n "$package" ] && [ -f "$said" ]; then install -D -m 644 "$said" "$dir/licences/$package"; fi
done
