#!/bin/sh
# Builds HEAD's packages twice, in folders of different names and depths, at different times, in other time zones, with other
# umasks, and compares their bytes. Without ccache, which would hand the first build's objects to the second.
#
#     tools/reproducible.sh [JOBS [deb|dist|wheel...]]
#
# Exit status 77: the wheel alone could not be built (it takes packages from PyPI) and the rest is the same.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
jobs=${1:-$(nproc)}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- deb dist wheel
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CCACHE_DISABLE=1
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
export CCACHE_DISABLE SOURCE_DATE_EPOCH
unset CMAKE_C_COMPILER_LAUNCHER CMAKE_CXX_COMPILER_LAUNCHER

first=$work/first
second=$work/a/second/folder
# build COPY TIMEZONE UMASK TARGETS: exit status 77 when only the wheel could not be made.
build() (
    copy=$1
    TZ=$2
    export TZ
    mkdir -p "$copy"
    git -C "$root" archive HEAD | tar -x -C "$copy"
    umask "$3"
    shift 3
    cd "$copy"
    missed=0
    for target in "$@"; do
        if [ "$target" = wheel ]; then
            make wheel JOBS="$jobs" >"$work/log" 2>&1 || missed=77
        else
            make "$target" JOBS="$jobs" >"$work/log" 2>&1 || {
                tail -30 "$work/log" >&2
                exit 1
            }
        fi
    done
    exit "$missed"
)
status=0
build "$first" UTC 022 "$@" || status=$?
[ $status = 0 ] || [ $status = 77 ] || exit $status
build "$second" Asia/Tokyo 077 "$@" || [ $? = 77 ]

names=$(cd "$first/build" && find packages wheels -maxdepth 1 -type f 2>/dev/null | LC_ALL=C sort)
[ -n "$names" ] || exit $status
for name in $names; do
    if cmp "$first/build/$name" "$second/build/$name"; then
        echo "same: $(sha256sum <"$first/build/$name" | cut -c1-16)  ${name#*/}"
    else
        status=1
    fi
done
[ $status != 77 ] || tail -3 "$work/log"
exit $status
