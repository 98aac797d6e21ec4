#!/bin/sh
# Every public header compiles alone, as C and as C++, with the warnings that a careful user has on.
set -eu
cd "$(dirname "$0")/.."
failed=0
n=0
for header in include/whatsit/*.h; do
    name=whatsit/$(basename "$header")
    n=$((n + 1))
    for language in "c -std=c11" "c -std=c17" "c++ -std=c++11" "c++ -std=c++20"; do
        compiler=${CC:-cc}
        case $language in c++*) compiler=${CXX:-c++} ;; esac
        # shellcheck disable=SC2086 # language is two words
        if ! echo "#include <$name>" |
            $compiler -x $language -Iinclude -Wall -Wextra -pedantic -Werror -fsyntax-only -; then
            echo "$header does not compile alone as $language"
            failed=1
        fi
    done
done
[ "$n" -gt 0 ] || { echo "no public headers found"; exit 1; }
[ "$failed" -eq 0 ] && echo "$n public headers compile alone as C and C++"
exit "$failed"
