"""The version, from the installed package."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Version of the installed package, "0+unknown" when it is used without being installed."""
    try:
        return metadata.version("counterpoise")
    except metadata.PackageNotFoundError:
        return "0+unknown"
