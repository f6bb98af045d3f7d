#!/bin/sh
# Does what is released install and run? Builds wheel and sdist, and installs the wheel with each extra into an empty
# environment of its own, where a small job needs that extra. Needs an index to install from; half an hour for all
# extras. `make package`, or for some of them `EXTRAS="onnx ray" make package`.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3.11}"
EXTRAS="${EXTRAS:-$("$PYTHON" requirements/package_check.py --extras)}"
export TF_CPP_MIN_LOG_LEVEL=3
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
rm -rf dist

environment() { # NAME WHAT...: an empty environment that holds WHAT
    name="$1"
    shift
    "$PYTHON" -m venv "$place/$name"
    "$place/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
}

environment build -r requirements/build.txt
"$place/build/bin/python" -m hatchling build
wheel="$(ls "$PWD"/dist/*.whl)"
check="$PWD/requirements/extras_check.py"
"$PYTHON" requirements/package_check.py dist
cd "$place" # nothing is found here but what was installed

environment bare "$wheel"
bare/bin/python -m counterpoise strategies >/dev/null
for shell in bash zsh fish; do
    _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 bare/bin/counterpoise --show-completion "$shell" |
        grep -q _COUNTERPOISE_COMPLETE
done
bare/bin/python "$check" --bare
echo "bare: commands, completion, plans, diagnosis"
rm -rf bare

environment without "$wheel[tensorflow-cpu]"
without/bin/python "$check" --without
rm -rf without

for extra in $EXTRAS; do
    case "$extra" in
        tensorflow | tensorflow-cpu | jax) all="$extra" ;;
        *) all="tensorflow-cpu,$extra" ;;
    esac
    environment "$extra" "$wheel[$all]"
    "$extra/bin/python" "$check" "$extra" >said || { cat said; exit 1; }
    tail -n 1 said
    rm -rf "$extra"
done
