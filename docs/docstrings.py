"""How the manual reads docstrings: an `Example:` is a console session, shown as code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Sessions(griffe.Extension):
    """Tell griffe that our singular section is its plural one, which it takes for code and not for prose."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
