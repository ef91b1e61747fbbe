#!/usr/bin/env bash
# Runs the tests of the Python package: run.sh SOURCE BUILD. Exit code 77: skipped, with the reason.
#
# They run in $PLAIT_TEST_PYTHON where that is set (an interpreter that has pytest and whatever it has of NumPy, PyTorch, JAX,
# apache-tvm-ffi, IPython), else in a virtual environment in the build folder with all of these from PyPI but PyTorch, whose
# wheel there brings 2.8 GB of CUDA with it: PLAIT_TEST_TORCH=1 installs it too. Tests of a package that is not there are
# skipped, and say so.
set -euo pipefail
source=$1 build=$2

skip() { echo "skipped: $*"; exit 77; }

packages=(pytest numpy ml_dtypes jax apache-tvm-ffi ipython mypy)
[ -z "${PLAIT_TEST_TORCH:-}" ] || packages+=(torch)

# Prints the interpreter of an environment that has the packages; it is made once for each list of them.
environment() {
    local folder=$build/python-venv
    if [ "$(cat "$folder/packages" 2>/dev/null)" != "${packages[*]}" ]; then
        rm -rf "$folder"
        python3 -m venv "$folder" >&2 || return 1
        "$folder/bin/pip" install -q --disable-pip-version-check --progress-bar off "${packages[@]}" >&2 || return 1
        echo "${packages[*]}" >"$folder/packages"
    fi
    echo "$folder/bin/python"
}

if [ -n "${PLAIT_TEST_PYTHON:-}" ]; then
    python=$PLAIT_TEST_PYTHON
elif ! python=$(environment); then
    echo "no virtual environment with ${packages[*]} could be made: is PyPI reached?"
    python=python3
fi
"$python" -c 'import pytest' 2>/dev/null || skip "$python has no pytest"

cmake --install "$build" --component python --prefix "$build/python-stage" >/dev/null
export PYTHONPATH=$build/python-stage PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest -q -rs -p no:cacheprovider -c "$source/pyproject.toml" --rootdir "$source" "$source/python/tests" "${@:3}"
