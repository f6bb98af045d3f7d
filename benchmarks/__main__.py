"""`python -m benchmarks`: run every benchmark, one after the other."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks

for module in pkgutil.iter_modules(benchmarks.__path__):
    if not module.name.startswith("_"):
        print(f"\n# {module.name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{module.name}"], check=True)
