#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program sees of threads, locks, processes and libraries: bare, and under the shim, alone, and before and
# behind another preloaded library that wraps the same functions.
set -eu
library=$PWD/$1
behaviours=$PWD/$2
neighbour=$PWD/$3
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/conformance-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
unset RACEWATCH RACEWATCH_OPTIONS RACEWATCH_DIR LD_PRELOAD
mkdir "$work/session"
export RACEWATCH_SESSION="0:$work/session"
cd "$work"
different=0

# compare NAME BARE-PRELOAD PRELOAD
compare() {
    env LD_PRELOAD="$2" "$behaviours" >bare 2>&1 || echo "status $?" >>bare
    env LD_PRELOAD="$3" "$behaviours" >watched 2>&1 || echo "status $?" >>watched
    if ! diff -u bare watched; then
        echo "$1: different"
        different=$((different + $(diff bare watched | grep -c '^[<>]')))
    fi
    [ "$(ls session | wc -l)" -gt 5 ] || { echo "$1: nothing was recorded"; different=$((different + 1)); }
    rm -f session/*
}

compare alone "" "$library"
compare "before another" "$neighbour" "$library:$neighbour"
compare "behind another" "$neighbour" "$neighbour:$library"
for seed in 1 2 3; do # a schedule that is bent by delays
    export RACEWATCH_OPTIONS="seed=$seed"
    compare "seed $seed" "" "$library"
done
echo "$(wc -l <bare) behaviours compared in 6 settings, $different different"
[ "$different" -eq 0 ]
