#!/bin/sh
# Writes the Homebrew formula of a release: tools/formula.sh ARCHIVE URL HOMEPAGE >whatsit.rb
# ARCHIVE: the sources as they lie at URL, such as `git archive --prefix=whatsit-0.1.0/ -o FILE.tar.gz HEAD` makes them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
archive=$1 url=$2 homepage=$3
# shellcheck source=tools/addresses.sh
. "$root/tools/addresses.sh"
check_addresses formula.sh formula "$url" "$homepage"
version=$(sed -n 's/^project(whatsit VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
sum=$(sha256sum <"$archive" | cut -d ' ' -f 1)
sed "s|@URL@|$url|; s|@HOMEPAGE@|$homepage|; s|@VERSION@|$version|; s|@SHA256@|$sum|" "$root/cmake/homebrew/whatsit.rb.in"
