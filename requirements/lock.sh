#!/bin/sh
# Pin the requirement files again, with hashes and without index lines. Needs uv (https://docs.astral.sh/uv).
set -eu
cd "$(dirname "$0")/.."
pin() {
    out="requirements/$1.txt"
    shift
    uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
        --python-version 3.11 "$@" -o "$out"
}
pin build requirements/build.in
pin demo pyproject.toml --extra tensorflow-cpu --extra demo --extra pandas
pin test pyproject.toml --extra tensorflow-cpu --extra demo --extra pandas --extra images --extra dicom --extra plot \
    --extra ray --extra tune --group test -c requirements/demo.txt
pin lint --group lint --group docs -c requirements/test.txt
# The oldest versions that pyproject.toml admits, with the test runner's own of today.
printf 'pytest>=8\nhypothesis>=6.100\n' | uv pip compile --quiet --resolution lowest-direct --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --python-version 3.11 \
    pyproject.toml --extra tensorflow-cpu --extra pandas --extra images - -o requirements/floors.txt
