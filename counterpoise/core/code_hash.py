"""The code of the user that decides a result, as a hash: a loss, a layer, or a training step written by themselves.

The manifest of a run and the ids of jobs of external models contain it, because settings and names do not change when
a user edits such code. Another hash makes a run refuse the stores of earlier versions.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any

import numpy as np

#: Values that a hash covers as text, and values whose content it covers.
_PLAIN = (bool, int, float, complex, str, bytes, np.generic)
_CONTAINERS = (tuple, list, set, frozenset, Mapping, np.ndarray)


def code_hash(*parts: Any) -> str:
    """Return a hash (16 hex digits) of objects, functions or classes: their settings, and the user's code in them.

    Of a function, it covers the code, the defaults, the variables of functions around it, and the global values and
    functions that it names. Of an object, it covers the class and `get_config()`, and the attributes if the class is
    the user's (but not a Keras layer); of a class, its methods, properties and constants. Of a method of an object, it
    covers both. Code of installed packages is covered by name alone. Names that Keras counts up (`loss_2`) do not
    count.

    Example:
        >>> import keras
        >>> make = keras.losses.BinaryFocalCrossentropy
        >>> code_hash(make()) == code_hash(make()), code_hash(make()) == code_hash(make(gamma=3.0))
        (True, False)
    """
    digest, seen = hashlib.blake2b(digest_size=8), dict[int, tuple[int, Any]]()
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
    module = module_of(kind)
    top, file = module.partition(".")[0], str(getattr(sys.modules.get(module), "__file__", None) or "")
    installed = "site-packages" in file or "dist-packages" in file
    return top not in {*sys.stdlib_module_names, "counterpoise"} and not installed


def module_of(kind: Any) -> str:
    """Return the name of the module of a class or function; methods of built-in types name no module."""
    return str(getattr(kind, "__module__", None) or "builtins")


def plain_text(value: Any) -> str:
    """Return a value, such as a configuration, as JSON text without memory addresses, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", json.dumps(value, sort_keys=True, default=str))


def _texts(part: Any, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    """Yield the texts that `code_hash` covers; `seen` has a number for each part that was covered already, by id."""
    if part is None or isinstance(part, _PLAIN):  # equal values may be one object, so they are never skipped
        yield plain_text(part)
        return
    if id(part) in seen:
        yield f"part {seen[id(part)][0]}"
        return
    seen[id(part)] = len(seen), part  # the part is kept, so that no other part gets its id
    if isinstance(part, np.ndarray):
        values = plain_text(part.tolist()) if part.dtype.hasobject else part.tobytes().hex()
        yield f"{part.dtype.str} {part.shape} {values}"
    elif isinstance(part, Mapping):
        for key, value in sorted(part.items(), key=lambda item: plain_text(item[0])):
            yield plain_text(key)
            yield from _texts(value, seen)
    elif isinstance(part, (tuple, list, set, frozenset)):
        yield f"{type(part).__name__} {len(part)}"
        for value in part if isinstance(part, (tuple, list)) else sorted(part, key=plain_text):
            yield from _texts(value, seen)
    else:
        yield from _code_texts(part, seen)


def _code_texts(part: Any, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    """Yield the texts of a function, a class, or another object."""
    named = inspect.isroutine(part) or inspect.isclass(part)
    kind = part if named else type(part)
    yield f"{module_of(kind)}.{kind.__qualname__}"
    if not named and hasattr(part, "get_config"):
        with suppress(NotImplementedError):  # of a layer whose settings Keras cannot write
            yield re.sub(r'("name": "\w+?)_\d+"', r'\1"', plain_text(part.get_config()))
    if not named and is_user_code(kind):
        yield from _texts(_attributes(part), seen)
    if inspect.ismethod(part):
        yield from _texts(part.__self__, seen)
    for wrapped in ("fn", "func", "__func__", "args", "keywords"):  # of a Keras loss, a partial function, a method
        if hasattr(part, wrapped):
            yield from _texts(getattr(part, wrapped), seen)
    if inspect.isfunction(part) and is_user_code(part):
        yield from _function_texts(part, seen)
    elif not inspect.isroutine(part):
        for base in filter(is_user_code, kind.__mro__):
            yield from _class_texts(base, seen)


def _attributes(part: Any) -> dict[str, Any]:
    """Return the attributes of an object of the user's class without its name, which Keras may count up.

    Keras layers have none here: their settings are in the configuration, and their attributes change when they are
    built and used.
    """
    if hasattr(part, "add_weight"):
        return {}
    slots = [slot for base in type(part).__mro__ for slot in np.atleast_1d(vars(base).get("__slots__", ())).tolist()]
    own = {slot: getattr(part, slot) for slot in slots if hasattr(part, slot) and not slot.startswith("__")}
    return {name: value for name, value in (own | getattr(part, "__dict__", {})).items() if name != "name"}


def _class_texts(base: type, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    """Yield the texts of the methods, properties and constants in the body of a class."""
    for name, member in sorted(vars(base).items()):
        # The function of a static or class method, of a property, and of a cached property.
        attributes = (getattr(member, inner, None) for inner in ("__func__", "fget", "func"))
        own = next((function for function in attributes if inspect.isfunction(function)), member)
        constant = isinstance(own, (*_PLAIN, *_CONTAINERS)) and not name.startswith("__")
        if constant or inspect.isfunction(own) or (inspect.isclass(own) and is_user_code(own)):
            yield name
            yield from _texts(own, seen)


def _function_texts(function: Any, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    """Yield the texts of the code of a Python function, and of the values that it reads from outside."""
    code = function.__code__
    yield from _instruction_texts(code)
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a variable that has no value yet
            values.append(cell.cell_contents)
    values += [function.__globals__[name] for name in _outer_names(code) if name in function.__globals__]
    for value in values:
        if not inspect.ismodule(value):
            yield from _texts(value, seen)


def _outer_names(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes that compiled code uses, also in functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _outer_names(constant)


def _instruction_texts(code: CodeType) -> Iterator[str]:
    """Yield the instructions, names and constants of compiled code, without line numbers and addresses."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instruction_texts(constant)
        else:
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
