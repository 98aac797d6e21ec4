#!/bin/sh
# Writes the three manifests of a release for winget: tools/winget.sh ARCHIVE URL HOMEPAGE FOLDER
# ARCHIVE: what tools/windows.sh made, as it lies at URL.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
archive=$1 url=$2 homepage=$3 folder=$4
# shellcheck source=tools/addresses.sh
. "$root/tools/addresses.sh"
check_addresses winget.sh manifest "$url" "$homepage"
name=$(basename "$archive" .zip)
version=$(sed -n 's/^project(whatsit VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
if [ "$name" != "whatsit-$version-windows-x86_64" ]; then
    echo "winget.sh: $archive is not the archive of version $version" >&2
    exit 2
fi
sum=$(sha256sum <"$archive" | cut -d ' ' -f 1)
mkdir -p "$folder"
for part in version installer locale.en-US; do
    case $part in
    version) file=Whatsit.Whatsit.yaml ;;
    *) file=Whatsit.Whatsit.$part.yaml ;;
    esac
    sed "s|@URL@|$url|; s|@HOMEPAGE@|$homepage|; s|@VERSION@|$version|; s|@NAME@|$name|; s|@SHA256@|$sum|" \
        "$root/cmake/winget/$part.yaml.in" >"$folder/$file"
done
echo "$folder: three manifests for winget"
