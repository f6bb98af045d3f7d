"""The version, from the installed package, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata


def version() -> str:
    """Version of the installed package, "0+unknown" when it is used without being installed."""
    try:
        return metadata.version("counterpoise")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Package -> its version, of those that are installed.

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
