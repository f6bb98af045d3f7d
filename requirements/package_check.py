"""What a built package must hold: `package_check.py dist` looks into wheel and sdist, `--extras` lists the extras."""

from __future__ import annotations

import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def faults(dist: Path) -> list[str]:
    """What is wrong with the wheel and the sdist in a folder, in words."""
    (wheel,), (sdist,) = list(dist.glob("*.whl")), list(dist.glob("*.tar.gz"))
    with zipfile.ZipFile(wheel) as held:
        names = held.namelist()
        metadata = message_from_bytes(held.read(next(name for name in names if name.endswith(".dist-info/METADATA"))))
    with tarfile.open(sdist) as held:
        inside = {name.partition("/")[2] for name in held.getnames()}
    source = {path.relative_to(ROOT).as_posix() for path in (ROOT / "counterpoise").rglob("*") if path.is_file()}
    source = {name for name in source if "__pycache__" not in name}
    wrong = [f"{wheel.name}: {name} is missing" for name in sorted(source - set(names))]
    wrong += [f"{sdist.name}: {name} is missing" for name in sorted((source | {"README.md", "LICENSE"}) - inside)]
    wrong += [f"{wheel.name}: {name} does not belong there" for name in names if name.startswith(("tests/", "docs/"))]
    if metadata["Version"] != PROJECT["version"]:
        wrong.append(f"version {metadata['Version']} is not {PROJECT['version']}")
    if set(metadata.get_all("Provides-Extra", [])) != set(PROJECT["optional-dependencies"]):
        wrong.append(f"extras are {metadata.get_all('Provides-Extra')}")
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "--extras":
        print(*PROJECT["optional-dependencies"], sep="\n")
    else:
        sys.exit("\n".join(faults(Path(sys.argv[1]))) or None)
