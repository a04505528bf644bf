#!/bin/sh
# SPDX-License-Identifier: MIT
# A program with many threads under the library: with --config=tsan ThreadSanitizer is in both, and finds no race in either.
# no_race_test.sh LIBRARY PROGRAM SUPPRESSIONS
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=$PWD
# Its runtime begins before the library does, and would have what it wraps by then: so it installs no handlers.
quiet="handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:handle_sigtrap=0:exitcode=66:suppressions=$PWD/$3"
for options in timeout=300 lock_order=1 lock_owners=1 perturb=delay:seed=1; do
    said=$(LD_PRELOAD="$here/$1" RACEWATCH_OPTIONS="keep=always:monitor=/nonexistent:$options" RACEWATCH_DIR="$folder/$options" \
        TSAN_OPTIONS="$quiet" "$here/$2" 2>"$folder/stderr") || {
        echo "$options: status $?"
        cat "$folder/stderr"
        exit 1
    }
    [ "$said" = "360 turns, 360" ] || { echo "$options: $said"; exit 1; }
    [ -n "$(find "$folder/$options" -name '*.rec')" ] || { echo "$options: no recording"; exit 1; }
    echo "ok $options"
done
