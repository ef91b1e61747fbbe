#!/usr/bin/env bash
# Runs bootstrap with a PATH that lacks re2c, and looks at what it says and what it would have installed.
set -euo pipefail
bootstrap=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin"
failures=0

expect() { # what, command...
    local what=$1
    shift
    if ! "$@"; then
        echo "failed: $what"
        failures=$((failures + 1))
    fi
}

# Everything there is but re2c and what could install or build; sudo and apt-get are stand-ins that write down how they were called.
for tool in bash env cat grep sed mktemp rm tail printf echo test dirname nproc id cc python3 dot; do
    path=$(type -P "$tool") && ln -s "$path" "$folder/bin/$tool"
done
for tool in cmake ninja bison; do printf '#!/bin/sh\nexit 1\n' >"$folder/bin/$tool"; done
printf '#!/bin/sh\necho 22.1.8\n' >"$folder/bin/llvm-config-22"
printf '#!/bin/sh\necho "$@" >>%s\n' "$folder/apt.log" >"$folder/bin/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$folder/bin/sudo"
chmod +x "$folder/bin/"{cmake,ninja,bison,llvm-config-22,apt-get,sudo}
printf 'ID=fedora\nVERSION_ID=42\n' >"$folder/fedora"
printf 'ID=debian\nVERSION_ID=12\n' >"$folder/debian"

run() { # os-release arguments...
    local release=$1
    shift
    status=0
    PATH=$folder/bin PLAIT_OS_RELEASE=$folder/$release "$folder/bin/bash" "$bootstrap" "$@" >"$folder/out" 2>&1 || status=$?
}

run fedora --help
expect "help exits with 0" [ $status = 0 ]
expect "help names the commands" grep -q 'build | test | demo' "$folder/out"

run fedora frobnicate
expect "an unknown command exits with 2" [ $status = 2 ]

run fedora build
expect "a missing tool on another system exits with 1" [ $status = 1 ]
expect "it is named" grep -q '    re2c  *the lexer' "$folder/out"
expect "what is there is not named" bash -c "! grep -q '    cmake' '$folder/out'"
expect "nothing was installed" [ ! -e "$folder/apt.log" ]

run debian build
expect "an installation that brings nothing exits with 1" [ $status = 1 ]
expect "the package lists were fetched" grep -q ' update$' "$folder/apt.log"
expect "just the missing package was asked for" grep -q 'install -y --no-install-recommends re2c$' "$folder/apt.log"
expect "it is said what is still missing" grep -q 'still missing after installing: re2c' "$folder/out"

rm "$folder/bin/cc" "$folder/apt.log"
run debian build
expect "without a compiler what only it can find is asked for" \
    grep -q 'install .* gcc libc6-dev re2c .*libzstd-dev libstdc++-12-dev' "$folder/apt.log"

[ $failures = 0 ] || { cat "$folder/out"; exit 1; }
