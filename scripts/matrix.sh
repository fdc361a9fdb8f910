#!/usr/bin/env bash
# The suite on every Python this machine has, on sagemaker 2 and 3, on the newest and the lowest versions of everything.
#
#     scripts/matrix.sh [files of tests]
#
# The whole of it takes five to ten minutes a row on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
tests="$*"

# An interpreter of that version, from uv or pyenv; nothing when there is none.
interpreter() {
  local found
  for found in "$(uv python find --no-python-downloads "$1" 2>/dev/null || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if [ -x "$found" ] && [ "$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$1" ]; then
      echo "$found"
      return
    fi
  done
}

# row WHAT VERSION [variables of make]
row() {
  local python
  python=$(interpreter "$2")
  if [ -z "$python" ]; then
    printf '\n== SKIPPED, there is no Python %s here: %s\n' "$2" "$1"
    return
  fi
  printf '\n== %s, Python %s\n' "$1" "$2"
  make test PYTHON="$python" VENV=".venv-$2" PYTEST_ARGS="$tests" "${@:3}"
}

row "sagemaker 2, lowest versions of everything" 3.10 EXTRAS=dev-sagemaker2 RESOLUTION=lowest-direct
row "sagemaker 2" 3.12 EXTRAS=dev-sagemaker2
row "sagemaker 3" 3.13
