"""Versions of Counterpoise and of other installed packages, for model cards, manifests of runs, and `--version`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata


def version() -> str:
    """Return the version of Counterpoise; "0+unknown" if it is used without being installed."""
    try:
        return metadata.version("counterpoise")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return package -> its version, for those of `packages` that are installed.

    Example:
        >>> list(installed_versions(["numpy", "no-such-package"]))
        ['numpy']
    """
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
