#!/usr/bin/env bash
# Refreshes constraints.txt: the exact versions that the tests run with.
# No hashes, no addresses, no "+cpu". Left out: the GPU libraries and sympy, which each build of torch pins for itself,
# and the extras that pull in torchvision (vision) or another stack of models (minilm).
set -euo pipefail
cd "$(dirname "$0")/.."

torch=torch==2.13.0
extras=(all postgres nudenet ray test e2e dev docs)
export UV_FIND_LINKS=${UV_FIND_LINKS-${PIP_FIND_LINKS-}}

"${UV:-.venv/bin/uv}" pip compile --quiet --upgrade --no-annotate --no-header \
    --python-version 3.11 "${extras[@]/#/--extra=}" --constraint <(echo "$torch") pyproject.toml |
    sed -E -e 's/\+cpu$//' -e '/^(nvidia-|cuda-|triton|sympy|mpmath)/d' >constraints.new
if grep -qE '^torchvision|://|\+' constraints.new; then
    echo "constraints.new holds torchvision, an address or a local version; look at it" >&2
    exit 1
fi
mv constraints.new constraints.txt
