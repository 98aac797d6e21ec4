#!/bin/sh
# The repository speaks of the project alone: no paths of somebody's machine, no addresses of package
# mirrors, nothing unfinished by its own words.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
look() {
    what=$1
    pattern=$2
    shift 2
    if hits=$(git grep -nIE "$pattern" -- . ':!tools/check_words.sh' ':!*.tsv' "$@"); then
        echo "$what:"
        echo "$hits" | head -n 10
        failed=1
    fi
}
look "a path of one machine" '/(work|farm)/|/home/[a-z]|/root/' ':!heads/*.txt'
look "a package mirror" 'deb\.debian\.org|snapshot\.debian|pypi\.org/simple|registry\.npmjs|proxy\.golang' ':!heads/*.txt'
look "an issue's number" '(^|[^a-z])issue #?[0-9]+|\.library/' ':!heads/*.txt' ':!*.txt'
look "unfinished" '(^|[^A-Za-z_-])(TODO|FIXME|XXX)([^A-Za-z_]|$)|not implemented' '*.c' '*.h' '*.js' '*.py' '*.sh' '*CMakeLists.txt'
[ "$failed" -eq 0 ] && echo "$(git ls-files | wc -l) files read"
exit "$failed"
