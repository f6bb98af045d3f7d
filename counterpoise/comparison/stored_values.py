"""The layout of stored values, with their checks: members as rows and back, facts of a run, leaderboard.json.

A checksum finds changes after writing. Types and sizes are checked in addition, so that a row of any origin raises an
error of one line. All names and shapes are saved: a change must still read what earlier versions wrote, or refuse it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from counterpoise.core.errors import ArtifactError
from counterpoise.core.file_checks import (
    Check,
    anything,
    boolean,
    integer,
    json_value,
    list_of,
    mapping_of,
    nullable,
    number,
    read_json,
    record,
    string,
    wrong_value,
)
from counterpoise.core.job import Job, Member
from counterpoise.targets.kinds import target_of

Array = np.ndarray
#: Most values of one JSON text, which may be the record of a report with its curves.
MOST_VALUES = 50_000_000
#: Types of stored arrays.
ARRAY_TYPES = frozenset(
    "float16 float32 float64 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
)  # fmt: skip


def _checked_number(value: Any, where: str) -> float:
    """Return a number, or raise an ArtifactError; NaN is allowed, because trainings may diverge."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_value(value, where, "a number")
    return value


def _checked_gain(value: Any, where: str) -> list[float]:
    """Return a gain and its standard error (`Member.late_gain`); raise an ArtifactError for other than two numbers."""
    both: list[float] = list_of(_checked_number, 2)(value, where)
    if len(both) != 2:
        raise wrong_value(value, where, "two numbers")
    return both


def _checked_null(value: Any, where: str) -> None:
    """Raise an ArtifactError unless the value is null: arrays are stored in rows of their own."""
    if value is not None:
        raise wrong_value(value, where, "null, because each array is stored in its own row")


#: Check of the fields of a member that are not arrays; a field of a later version may be anything plain.
VALUES = record(
    {"job": string()},
    optional={
        "best_step": integer(),
        "steps": integer(),
        "rows_seen": integer(),
        "seconds": number(0),
        "history": mapping_of(list_of(_checked_number)),
        "engine": string(),
        "needs_calibration": boolean,
        "gamma": number(0),
        "memory": integer(),
        "error": string(),
        "late_gain": nullable(_checked_gain),
        **dict.fromkeys(
            ("logits", "stop_logits", "log_shift", "member_shifts", "member_outputs", "weights"), _checked_null
        ),
    },
    others=json_value,
)
#: Check of the JSON of a member: its plain values, how many arrays each field has, and whether its weights are among
#: them.
MEMBER = record({"values": VALUES, "arrays": mapping_of(integer()), "weights": boolean})


def checksum(*parts: str | bytes | int | None) -> str:
    """Return a digest (32 hex digits) of the parts of a row, each with its length.

    Example:
        >>> checksum("ab", "c") == checksum("a", "bc")
        False
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        digest.update(f"{len(raw)}:".encode() + raw)
    return digest.hexdigest()


def checked_json(value: Any, stored: Any, where: str, *key: str) -> Any:
    """Return the value of a JSON column whose checksum is `stored`.

    `key` are the texts that the checksum covers before the value. `where` names the column in messages.

    Raises:
        ArtifactError: It is no text, not what was written, or no JSON.
    """
    if not isinstance(value, str) or stored != checksum(*key, value):
        raise ArtifactError(f"{where} was changed after it was written.")
    return read_json(value, where, finite=False, most=MOST_VALUES)


def member_rows(member: Member, weights: bool) -> tuple[str, list[tuple[str, int, str, str, bytes, str]]]:
    """Return a member as JSON, and its arrays as rows of the store.

    A row is (name, position, dtype, shape, bytes, checksum). Without `weights`, the arrays of its weights are left out,
    and the JSON says so.
    """
    values: dict[str, Any] = {}
    arrays: list[tuple[str, int, Array]] = []
    for field in fields(member):
        value = getattr(member, field.name)
        if field.name == "weights":
            arrays += [("weights", i, np.asarray(a)) for i, a in enumerate(value if weights else ())]
        elif isinstance(value, np.ndarray):
            arrays.append((field.name, 0, value))
        else:
            values[field.name] = value
    counts = Counter(name for name, _, _ in arrays)
    content = {"values": values, "arrays": dict(counts), "weights": weights}
    # Only a check: what could not be read again raises an ArtifactError now.
    MEMBER(json.loads(json.dumps(content, default=_json_default)), "a fit")
    return json.dumps(content, default=_json_default), [_array_row(member.job, *array) for array in arrays]


def _array_row(job: str, name: str, position: int, array: Array) -> tuple[str, int, str, str, bytes, str]:
    """Return the row of one array; the checksum at its end also covers the id of the job."""
    row = (name, position, array.dtype.name, json.dumps(array.shape), array.tobytes())
    return (*row, checksum(job, *row))


def _json_default(value: Any) -> Any:
    """Return a number of NumPy as one of Python, and a mapping as a dict: the `default` of `json.dumps`."""
    return dict(value) if isinstance(value, Mapping) else value.item()


def member_from_rows(job: str, content: Mapping[str, Any], rows: Iterable[tuple[Any, ...]], weights: bool) -> Member:
    """Return the member of a job from what `member_rows` made of it.

    Args:
        job: Its id.
        content: The JSON, read and checked by `MEMBER`.
        rows: Its arrays, (name, position, dtype, shape, bytes, checksum), in the order of their positions.
        weights: Whether its weights are among the rows.

    Raises:
        ArtifactError: A row is absent, was changed, or is not of the size that it claims.
    """
    arrays_of: dict[str, list[Array]] = {name: [] for name in content["arrays"]}
    for name, position, dtype, shape, value, stored in rows:
        if stored != checksum(job, name, position, dtype, shape, value) or name not in arrays_of:
            raise ArtifactError(f"{name!r:.40} of fit {job:.12} was changed after it was written.")
        arrays_of[name].append(_array_from_row(dtype, shape, value, f"{name} of fit {job:.12}"))
    for name, count in content["arrays"].items():
        if len(arrays_of[name]) != count and (weights or name != "weights"):
            raise ArtifactError(f"fit {job:.12} lacks {name!r:.40}.")
    kept = tuple(arrays_of.pop("weights", ()))
    known = {field.name for field in fields(Member)}
    values = content["values"]
    if (
        values["job"] != job
        or not set(values) | set(arrays_of) <= known
        or any(len(a) != 1 for a in arrays_of.values())
    ):
        raise ArtifactError(f"fit {job:.12} was written by another version.")
    return _member_from({**values, **{name: arrays[0] for name, arrays in arrays_of.items()}, "weights": kept}, job)


def _member_from(values: Mapping[str, Any], job: str) -> Member:
    """Return the member of these fields; raise an ArtifactError if some are absent."""
    try:
        return Member(**values)
    except TypeError:
        raise ArtifactError(f"fit {job:.12} lacks some of its values.") from None


def _array_from_row(dtype: Any, shape: Any, value: Any, where: str) -> Array:
    """Return the array of a row, which is read-only.

    Raises:
        ArtifactError: Type, shape and bytes do not fit together.
    """
    if dtype not in ARRAY_TYPES or not isinstance(shape, str) or not isinstance(value, bytes):
        raise ArtifactError(f"{where} is not a plain array.")
    sizes = list_of(integer(), 32)(read_json(shape, where), where)
    kind = np.dtype(dtype)
    if math.prod(sizes) * kind.itemsize != len(value):
        raise ArtifactError(f"{where} has {len(value):,} bytes. Expected {math.prod(sizes) * kind.itemsize:,}.")
    return np.frombuffer(value, kind).reshape(sizes)


def check_member(member: Member, job: Job, classes: int, shapes: Iterable[tuple[int, ...]] = ()) -> None:
    """Check that a stored member matches the job that it was trained for.

    Args:
        member: The stored member.
        job: The job.
        classes: C, or number of labels.
        shapes: Of the network's variables, where the member's weights are wanted.

    Raises:
        ArtifactError: Its scores or weights are of other rows, classes or networks.
    """
    target = target_of(job)
    # 0 units are never right: the check below then raises.
    units = member.logits.shape[-1] if target.fits(member.logits.shape, classes) else 0
    each = member.logits.shape[1:]
    wanted = {
        "logits": (len(job.score), *each),
        "stop_logits": (len(job.stop), *each),
        "log_shift": target.shape(classes),
    }
    for name, shape in wanted.items():
        array = getattr(member, name)
        if array.dtype.kind != "f" or array.shape != shape or units not in (*target.widths(classes), classes):
            raise ArtifactError(f"{name} of fit {job.id:.12} does not match the rows of the fit.")
    parts = member.member_outputs
    if parts is not None and (parts.dtype.kind != "f" or parts.shape[1:] != (len(job.score), *target.shape(classes))):
        raise ArtifactError(f"member_outputs of fit {job.id:.12} does not match the rows of the fit.")
    if not np.isfinite(member.log_shift).all():
        raise ArtifactError(f"log_shift of fit {job.id:.12} is not finite.")
    if member.weights and list(shapes) and [a.shape for a in member.weights] != list(shapes):
        raise ArtifactError(f"weights of fit {job.id:.12} do not match the network.")


#: Check of one score of a strategy in leaderboard.json.
SCORE = record(
    {"mean": nullable(number())},
    optional={"low": nullable(number()), "high": nullable(number()), "folds": list_of(nullable(number()))},
    others=anything,
)
#: Number of the layout of leaderboard.json (see `record`). A change that makes earlier files unreadable increases it.
SCHEMA = 2


def _checked_schema(value: Any, where: str) -> int:
    """Return the number of the layout if this version reads it, else raise an ArtifactError."""
    if value != SCHEMA:
        raise ArtifactError(
            f"{where} is {value!r:.40}, but this version of counterpoise reads schema {SCHEMA}. "
            + ("Run the comparison again." if value == 1 else "Install the version that wrote this file.")
        )
    return SCHEMA


#: Check of leaderboard.json, as far as anything but the page reads it.
RECORD = record(
    {
        "schema": _checked_schema,
        "metric": string(),
        "data": mapping_of(anything),
        "rows": list_of(
            record(
                {
                    "strategy": string(),
                    "status": string(),
                    "scores": mapping_of(nullable(SCORE)),
                },
                others=anything,
            )
        ),
    },
    others=anything,
)
#: Checks of what a store keeps under each name; members have checks of their own.
FACTS: Mapping[str, Check] = {
    "owner": record({"pid": integer(), "host": string(), "since": string()}),
    "manifest": mapping_of(anything),
    "compile_modes": mapping_of(mapping_of(boolean)),
    "record": RECORD,
}
