#!/usr/bin/env bash
# Builds the wheel as `pip install .` does, installs it into an empty virtual environment, and runs the README's lines there:
# wheel.sh SOURCE BUILD. Exit code 77: skipped, with the reason.
set -euo pipefail
source=$1 work=$2/wheel-test

skip() { echo "skipped: $*"; exit 77; }

for archive in libzstd.a libz.a; do
    [ "$(cc -print-file-name=$archive)" != $archive ] || skip "no $archive (Debian: libzstd-dev, zlib1g-dev)"
done
rm -rf "$work"
mkdir -p "$work"
python3 -m venv "$work/venv" || skip "no virtual environment can be made (Debian: python3-venv)"
"$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$work" scikit-build-core || skip "PyPI is not reached"
"$work/venv/bin/pip" wheel -q --disable-pip-version-check --no-deps -w "$work" "$source"
wheels=("$work"/plait-*.whl)
"$work/venv/bin/pip" install -q --disable-pip-version-check "${wheels[0]}" numpy

# Nothing of this checkout and no LLVM: what the two executables need is the C library.
cd "$work"
package=$(./venv/bin/python -c 'import os, plait; print(os.path.dirname(plait.__file__))')
for file in bin/plait libexec/plait/plait-codegen; do
    ! ldd "$package/compiler/$file" | grep -v -e libc.so -e libm.so -e ld-linux -e linux-vdso || { echo "$file needs more"; exit 1; }
done
awk '/^```python/ { inside = 1; next } /^```/ { inside = 0 } inside' "$source/README.md" >readme.py
grep -q 'import plait' readme.py
env -i PATH=/usr/bin:/bin HOME="$work" "$work/venv/bin/python" readme.py
env -i PATH=/usr/bin:/bin HOME="$work" "$work/venv/bin/plait" --version
ls -l "${wheels[0]}"
