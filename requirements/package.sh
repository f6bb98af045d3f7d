#!/bin/sh
# Does what is released install and run? Builds wheel and sdist, installs the wheel into empty environments, and runs it:
# without an extra, and with the extras named in INSTALL. The other extras are only resolved. Needs an index to install
# from; takes some minutes. `make package`
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3.11}"
INSTALL="${INSTALL:-tensorflow-cpu onnx}"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
rm -rf dist

"$PYTHON" -m venv "$place/build"
"$place/build/bin/pip" install --quiet --disable-pip-version-check -r requirements/build.txt
"$place/build/bin/python" -m hatchling build
wheel="$(ls "$PWD"/dist/*.whl)"
"$PYTHON" requirements/package_check.py dist

"$PYTHON" -m venv "$place/plain"
pip="$place/plain/bin/pip --disable-pip-version-check"
$pip install --quiet "$wheel"
(cd "$place" && plain/bin/python -m counterpoise --help >/dev/null && plain/bin/counterpoise strategies >/dev/null)
(cd "$place" && plain/bin/python -c 'import counterpoise as cp; print("plain:", cp.__version__, len(cp.plans.oversample([0, 0, 1])))')
# Completion is offered in the user's shell.
(cd "$place" && _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 plain/bin/counterpoise --show-completion bash | grep -q _COUNTERPOISE_COMPLETE)
echo "plain: commands and completion"

printf 'a,b,ill\n' >"$place/rows.csv"
"$PYTHON" -c 'for i in range(200): print(i % 17, i % 5 + 3 * (i % 10 == 0), "yes" if i % 10 == 0 else "no", sep=",")' >>"$place/rows.csv"
for extra in $INSTALL; do
    "$PYTHON" -m venv "$place/$extra"
    "$place/$extra/bin/pip" install --quiet --disable-pip-version-check "$wheel[tensorflow-cpu,$extra]"
    (cd "$place" && TF_CPP_MIN_LOG_LEVEL=3 "$extra/bin/python" -m counterpoise train rows.csv --target ill --strategy oversample \
        --epochs 2 --out "$extra.keras" >/dev/null && "$extra/bin/counterpoise" predict "$extra.keras" rows.csv | head -n 2)
    if [ "$extra" = onnx ]; then
        (cd "$place" && TF_CPP_MIN_LOG_LEVEL=3 "$extra/bin/counterpoise" export "$extra.keras" --format onnx --out "$extra-out")
    fi
    rm -rf "${place:?}/$extra"
    echo "$extra: installed, trained, predicted"
done
for extra in $("$PYTHON" requirements/package_check.py --extras); do
    $pip install --quiet --dry-run "$wheel[$extra]"
    echo "$extra: resolves"
done
