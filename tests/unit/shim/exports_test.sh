#!/bin/sh
# SPDX-License-Identifier: MIT
# The shim shows the program what exports.txt lists and nothing else, and brings libc alone into it.
set -eu
library=$1
list=$2
shown=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort)
if [ "$shown" != "$(cat "$list")" ]; then
    echo "exports differ from $list:"
    echo "$shown" | diff "$list" - || true
    exit 1
fi
needed=$(readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if [ "$needed" != libc.so.6 ]; then
    echo "needs: $needed"
    exit 1
fi
if readelf -dW "$library" | grep -E 'RPATH|RUNPATH|TEXTREL'; then
    exit 1
fi
# Thread-local storage by the initial-exec model: the dynamic one allocates at first use.
if nm -D "$library" | grep __tls_get_addr; then
    exit 1
fi
