#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Debian packages that cpack makes of a build: what is in them, and that it works from where they are unpacked.
#   tests/consumers/packages.sh BUILD_FOLDER
set -euo pipefail
build=$1
for tool in cpack dpkg-deb dpkg-shlibdeps pkg-config; do
  command -v "$tool" >/dev/null || {
    echo "packages.sh: skipped, $tool is missing"
    exit 77
  }
done
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
(cd "$build" && cpack -G DEB -B "$folder/made" >"$folder/log" 2>&1) || {
  cat "$folder/log"
  exit 1
}
cd "$folder"
for package in libcontexture-dev contexture; do
  mkdir "$package"
  dpkg-deb -x made/"${package}"_*.deb "$package"
  test -s "$package/usr/share/doc/$package/copyright"
done
dpkg-deb -f made/libcontexture-dev_*.deb Depends | grep -q '^libxtensor-dev (>= .*zlib1g-dev (>= '
dpkg-deb -f made/contexture_*.deb Depends | grep -q 'libjpeg'
# No file is in both.
comm -12 <(cd libcontexture-dev && find . ! -type d | sort) <(cd contexture && find . ! -type d | sort) >both
[[ ! -s both ]]

version=$(contexture/usr/bin/contexture --version)
[[ $version == "contexture $(dpkg-deb -f made/contexture_*.deb Version)" ]]
[[ $(find contexture -type f | sort | tr '\n' ' ') == 'contexture/usr/bin/contexture contexture/usr/share/bash-completion/completions/contexture contexture/usr/share/doc/contexture/copyright contexture/usr/share/zsh/site-functions/_contexture ' ]]
export PKG_CONFIG_PATH=$folder/libcontexture-dev/usr/share/pkgconfig
[[ contexture\ $(pkg-config --modversion contexture-compiled) == "$version" ]]
include=$(pkg-config --cflags-only-I contexture | sed -n 's/^-I\([^ ]*\).*/\1/p')
test -s "$include/contexture/contexture.hpp"
find libcontexture-dev -name libcontexture_compiled.a -size +0 | grep -q .
test -s libcontexture-dev/usr/share/cmake/contexture/contexture-config.cmake
echo "packages: $version"
