"""Every kind of target by its name, which is saved in model files and in jobs that go to other processes."""

from __future__ import annotations

from typing import Any

from counterpoise.core.errors import ArtifactError
from counterpoise.core.target import Target
from counterpoise.targets.elements import Elements
from counterpoise.targets.labels import Labels
from counterpoise.targets.one_of import OneOf

TARGETS: dict[str, Target] = {target.kind: target for target in (OneOf(), Labels(), Elements())}


def target_of(kind: Any) -> Target:
    """Return the target of a kind, or of what has a `kind`: examples, jobs, contents of a file.

    Raises:
        ArtifactError: a kind that this version does not have.

    Example:
        >>> target_of("labels").widths(3)
        (3,)
    """
    name = getattr(kind, "kind", kind)
    if not isinstance(name, str) or name not in TARGETS:
        raise ArtifactError(
            f"it has a target of kind {name!r:.40}. Expected one of {', '.join(TARGETS)}. Update Counterpoise."
        )
    return TARGETS[name]
