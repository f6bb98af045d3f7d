"""`python -m benchmarks`: run every benchmark, one after the other."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks

for found in pkgutil.iter_modules(benchmarks.__path__):
    if not found.name.startswith("_"):
        print(f"\n# {found.name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{found.name}"], check=True)
