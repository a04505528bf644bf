#!/bin/sh
# SPDX-License-Identifier: MIT
# Where the shim cannot do its work it says so in one line, and the program runs as without it.
set -eu
library=$PWD/$1
subject=$PWD/$2
unset RACEWATCH RACEWATCH_SESSION RACEWATCH_OPTIONS RACEWATCH_DIR TEST_UNDECLARED_OUTPUTS_DIR LD_PRELOAD
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/away-XXXXXX")
cd "$work"

# run NAME EXPECTED-LINES-ON-STDERR ENVIRONMENT...: the program's own checks must hold.
run() {
    name=$1
    lines=$2
    shift 2
    if ! env LD_PRELOAD="$library" "$@" "$subject" wait_all >out.txt 2>err.txt; then
        echo "$name: the program failed"
        cat err.txt
        exit 1
    fi
    if [ -s out.txt ] || [ "$(wc -l <err.txt)" -ne "$lines" ] || grep -qv '^racewatch: ' err.txt; then
        echo "$name: expected $lines lines on stderr"
        cat out.txt err.txt
        exit 1
    fi
}

: >file
monitor=RACEWATCH_OPTIONS=monitor=/bin/true
run "no monitor" 1
# What a post-mortem names addresses by.
grep -q /libc.so racewatch-out/recordings/*/*.maps
mkdir watched
run "living monitor" 0 RACEWATCH_SESSION="$$:$work/watched"
if ls watched/*.maps 2>/dev/null; then
    echo "living monitor: the maps are its to save"
    exit 1
fi
run "started monitor" 0 "$monitor"
run "monitor that is none" 1 RACEWATCH_OPTIONS=monitor=/nonexistent
run "folder is a file" 1 "$monitor" RACEWATCH_DIR="$work/file"
run "folder below a file" 1 "$monitor" RACEWATCH_DIR="$work/file/folder"
run "unknown option" 1 "$monitor:colour=blue"
run "switched off" 0 RACEWATCH=0 RACEWATCH_DIR="$work/off"
[ ! -e off ]
ln -s /tmp link-target
mkdir linked && ln -s "$work/link-target" linked/recordings
run "recordings is a link" 1 "$monitor" RACEWATCH_DIR="$work/linked"
run "session is gone" 0 "$monitor" RACEWATCH_SESSION="1:$work/gone" RACEWATCH_DIR="$work/new"
[ -d new/recordings ]
(ulimit -f 100 && run "file size limit" 1 "$monitor")
(ulimit -v 300000 && run "address space limit" 0 "$monitor" RACEWATCH_DIR="$work/small")
[ -d small/recordings ]
[ "$(stat -c %a small)" = 700 ]

# Somebody removes the folder whenever it is empty, as the monitor of another run does.
"$subject" remove_folders "$work/busy/recordings" &
remover=$!
i=0
while [ $i -lt 100 ]; do
    run "folder is removed meanwhile" 0 "$monitor" RACEWATCH_DIR="$work/busy"
    rm -rf busy/recordings/*
    i=$((i + 1))
done
kill $remover

# The monitor is an orphan; where orphans become the program's children, it must not.
env SUBJECT_PRELOAD="$library" "$monitor" RACEWATCH_DIR="$work/reaped" "$subject" subreaper
[ -d reaped/recordings ]

# In a session that works, children say nothing; without stderr there is nothing to be said.
env LD_PRELOAD="$library" "$monitor" sh -c "'$subject' wait_all && '$subject' threads" >out.txt 2>err.txt
[ ! -s out.txt ] && [ ! -s err.txt ]
env LD_PRELOAD="$library" RACEWATCH_DIR="$work/file" "$subject" wait_all <&- >&- 2>&-
