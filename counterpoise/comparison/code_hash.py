"""The code of the user that decides a result, as a hash: a loss, a layer, or a training step written by themselves.

The manifest of a run contains it, because settings and names do not change when a user edits such code. Another hash
makes a run refuse the stores of earlier versions.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType
from typing import Any

import numpy as np


def code_hash(*parts: Any) -> str:
    """Return a hash (16 hex digits) of objects, functions or classes: their settings, and the user's code in them.

    Of a function, it covers the code, the defaults, the variables of functions around it, and the global values and
    functions that it names. Of an object, it covers the class, `get_config()`, and the functions of the class. Code of
    installed packages is covered by name alone.

    Example:
        >>> import keras
        >>> make = keras.losses.BinaryFocalCrossentropy
        >>> code_hash(make()) == code_hash(make()), code_hash(make()) == code_hash(make(gamma=3.0))
        (True, False)
    """
    digest, seen = hashlib.blake2b(digest_size=8), set[int]()
    for part in parts:
        for text in _texts(part, seen):
            digest.update(text.encode())
    return digest.hexdigest()


def is_user_code(kind: Any) -> bool:
    """Return whether a class or function is the user's own, not one of Python or an installed package.

    Example:
        >>> is_user_code(np.mean), is_user_code(json.JSONDecoder)
        (False, False)
    """
    top = str(kind.__module__).partition(".")[0]
    file = str(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")
    installed = "site-packages" in file or "dist-packages" in file
    return top not in {*sys.stdlib_module_names, "counterpoise"} and not installed


def plain_text(value: Any) -> str:
    """Return a value, such as a configuration, as JSON text without memory addresses, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", json.dumps(value, sort_keys=True, default=str))


def _texts(part: Any, seen: set[int]) -> Iterator[str]:
    """Yield the texts that `code_hash` covers; `seen` has the ids of the parts that were covered already."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, np.ndarray):
        yield f"{part.dtype.str} {part.shape} {part.tobytes().hex()}"
        return
    if part is None or isinstance(part, (bool, int, float, str, tuple, list, dict)):
        yield plain_text(part)
        return
    named = inspect.isroutine(part) or inspect.isclass(part)
    kind = part if named else type(part)
    yield f"{kind.__module__}.{kind.__qualname__}"
    if not named and hasattr(part, "get_config"):
        yield plain_text(part.get_config())
    for wrapped in ("fn", "func", "__func__"):  # of a Keras loss, a partial function, a method
        if hasattr(part, wrapped):
            yield from _texts(getattr(part, wrapped), seen)
    if inspect.isfunction(part) and is_user_code(part):
        yield from _function_texts(part, seen)
    elif not inspect.isroutine(part):
        for base in filter(is_user_code, (part if named else type(part)).__mro__):
            for member in filter(inspect.isfunction, vars(base).values()):
                yield from _texts(member, seen)


def _function_texts(function: Any, seen: set[int]) -> Iterator[str]:
    """Yield the texts of the code of a Python function, and of the values that it reads from outside."""
    code = function.__code__
    yield from _instruction_texts(code)
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a variable that has no value yet
            values.append(cell.cell_contents)
    values += [function.__globals__[name] for name in code.co_names if name in function.__globals__]
    for value in values:
        if not inspect.ismodule(value):
            yield from _texts(value, seen)


def _instruction_texts(code: CodeType) -> Iterator[str]:
    """Yield the instructions, names and constants of compiled code, without line numbers and addresses."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instruction_texts(constant)
        else:
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
