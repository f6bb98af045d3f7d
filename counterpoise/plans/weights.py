"""Class weights and sample weights for any target, as NumPy arrays.

Keras' own `class_weight` covers targets of one class per row. Here a weight is made for each *element*: row, step,
pixel, or label of a row. Weights are scaled so that their mean over the elements that count is 1: the loss keeps its
size, and so does the step. What a weight means: an element of weight w counts as w elements. `weight_map` and
`compile_balanced` use the same schemes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import check_no_class_lost
from counterpoise.core.errors import OptionError, TargetError, did_you_mean
from counterpoise.core.label_sources import ragged_error, refuse_counts
from counterpoise.core.labels import read_labels
from counterpoise.core.masked import unmasked
from counterpoise.plans.weight_table import Tally


def class_weight(
    y: Any,
    scheme: Any = "balanced",
    mask: Any = None,
    *,
    kind: Any = "auto",
    ignore: Any = (),
    classes: Any = None,
    sample_weight: Any = None,
) -> Any:
    """Compute the weight of each class of a target.

    For sequences, masks, multi-label and multi-output targets, `fit(class_weight=...)` of Keras fails or uses wrong
    weights. Use `sample_weight`, `weight_map` or `compile_balanced`, which take the same arguments.

    Args:
        y: The target: class labels (N,), (N, 1), (N, T), (N, H, W) or (N, H, W, 1), numbers or text; one-hot (..., C);
            multi-label (N, L) with kind="multi_label"; or several outputs as a dict, or as a list of arrays.
        scheme: "balanced", "sqrt", "power(e)", "effective_number(beta)", "median_frequency", "log(c)", "none", a dict
            of weights by label, or costs (C,) or (C, C) (see `schemes.scheme_weights`). Multi-label: a scheme that
            weights absent against present for each label, or weights of the present labels as a dict or (L,). Several
            outputs: one scheme for all outputs, or a dict (list) with one scheme for each output. None is for an output
            that is not a class (its target is not read).
        mask: True for elements that count, in the shape of the elements or of their leading axes.
        kind: "codes", "one_hot", "multi_label", or "auto" (see `elements`).
        ignore: One or several labels whose elements are ignored (padding, "void", a missing label).
        classes: All labels, or their number. Any other label is an error. Multi-label: names of the labels.
        sample_weight: Your own weight of each element. Class weights are multiplied with it.

    Returns:
        dict: label -> weight. The mean of weight * sample_weight over the elements that count is 1. Multi-label:
        label -> {0: weight, 1: weight}, mean 1 for each label. Several outputs: a dict (list) of these, None if the
        scheme is None.

    Raises:
        TargetError, OptionError, DataError: The message states what was passed, what was expected, and how to fix it.

    Example:
        >>> class_weight(["ok", "ok", "ok", "broken"])
        {'broken': 2.0, 'ok': 0.6666666666666666}
        >>> class_weight([[1], [0], [0], [0]], kind="multi_label")
        {0: {0: 0.6666666666666666, 1: 2.0}}
    """
    return _for_each_output(lambda table, *_: table.to_dict(), y, scheme, mask, kind, ignore, classes, sample_weight)


def sample_weight(
    y: Any,
    scheme: Any = "balanced",
    mask: Any = None,
    *,
    kind: Any = "auto",
    ignore: Any = (),
    classes: Any = None,
    sample_weight: Any = None,
) -> Any:
    """Compute the weight of each element of a target, for `fit(sample_weight=...)`.

    The arguments and errors are the same as in `class_weight`.

    Returns:
        float32 of the shape of the elements: (N,) for (N,), (N, 1) and one-hot (N, C); (N, T); (N, H, W) for masks of
        any form; (N, L) for multi-label, which fits the losses of independent labels in `cp.losses`. Masked and ignored
        elements have the weight 0; the mean of all other weights is 1. Several outputs: a dict or list of such arrays,
        with None if the scheme is None.

    Example:
        >>> sample_weight([0, 0, 0, 1])
        array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)
        >>> sample_weight([[2, 2, 0], [1, 2, 0]], ignore=0)  # steps of sequences, 0 is padding
        array([[0.6666667, 0.6666667, 0.       ],
               [2.       , 0.6666667, 0.       ]], dtype=float32)
    """
    return _for_each_output(
        lambda table, target, hidden, existing: table.of(target, hidden, existing),
        y, scheme, mask, kind, ignore, classes, sample_weight,
    )  # fmt: skip


def fit_table(
    y: Any, scheme: Any = "balanced", mask: Any = None, *, kind: Any = "auto", ignore: Any = (), classes: Any = None,
    sample_weight: Any = None,
) -> Any:  # fmt: skip
    """Return the `WeightTable` of a target; the arguments are those of `class_weight`.

    For several outputs, it is a dict or list of tables, with None for an output without a scheme.
    """
    return _for_each_output(lambda table, *_: table, y, scheme, mask, kind, ignore, classes, sample_weight)


def output_names(y: Any) -> list[Any] | None:
    """Return the keys of the outputs of a target, numbers 0, 1, ... for a list of arrays.

    None if the target has one output. A dict must not be a table of counts by class, which raises an error.
    """
    if isinstance(y, Mapping):
        refuse_counts(y, "The target")
        return list(y)
    if isinstance(y, (list, tuple)) and all(map(_is_output, y)) and any(output is not None for output in y):
        return list(range(len(y)))
    return None


def _is_output(target: Any) -> bool:
    """Return whether an entry of a list is the target of one output: an array with rows, or None."""
    return target is None or (hasattr(target, "shape") and len(target.shape) > 0)


def _check_list_of_outputs(outputs: Sequence[Any], explicit: bool) -> None:
    """Raise a `TargetError` unless a list of arrays can be the outputs of a model: as many rows each, and enough.

    Several vectors may as well be sequences, each of which would be balanced against itself: a warning explains how
    they are read, unless an option has one entry for each output (`explicit`).
    """
    lengths = {len(output) for output in outputs}
    if len(lengths) > 1:
        raise ragged_error("the target")
    if len(outputs) > max(lengths):
        raise TargetError(
            f"The target is a list of {len(outputs):,} arrays of {max(lengths):,} rows, which Keras reads as "
            f"{len(outputs):,} outputs of a model. If the arrays are sequences, stack them into one array of shape "
            "(N, T): np.stack(y)."
        )
    if len(outputs) > 2 and not explicit and all(len(output.shape) == 1 for output in outputs):
        warnings.warn(
            f"The target is a list of {len(outputs)} vectors. Counterpoise reads them as {len(outputs)} outputs of a "
            "model and balances each output separately. If the vectors are sequences, pass one array of shape (N, T): "
            "np.stack(y). If they are outputs, pass a dict by name to avoid this warning.",
            UserWarning,
            stacklevel=4,
        )


def per_output(option: Any, names: Sequence[Any], y: Any, word: str) -> dict[Any, Any]:
    """Return the value of an option for each output: one for all, or from a dict or list.

    `word` is the name of the option, for messages; a "scheme" needs an entry for each output. An output that another
    option does not name gets None.

    Raises:
        OptionError: The option names an unknown output, a scheme is missing, or one scheme of weights is for all.
    """
    structured = isinstance(option, Mapping) if isinstance(y, Mapping) else isinstance(option, list)
    if not structured:
        if word == "scheme" and option is not None and not isinstance(option, str):
            raise OptionError(
                "The target has several outputs, but only one scheme was given. Pass one scheme for each output."
            )
        return dict.fromkeys(names, option)
    given = option if isinstance(option, Mapping) else dict(enumerate(option))
    strange = [k for k in given if k not in names]
    missing = [k for k in names if k not in given]
    if strange:
        raise OptionError(
            f"{word} names output {strange[0]!r}, but the target has no such output.{did_you_mean(strange[0], names)}"
        )
    if missing and word == "scheme":
        raise OptionError(
            f"scheme has no entry for output {missing[0]!r}. Pass a scheme for this output (None for no weights)."
        )
    return {k: given.get(k) for k in names}


def _for_each_output(
    make: Callable[..., Any], y: Any, scheme: Any, mask: Any, kind: Any, ignore: Any, classes: Any, existing: Any
) -> Any:
    """Return the result for a target, or for each of its outputs as a dict or list.

    `make(table, y, mask, existing)` makes it of the `WeightTable` of an output. `existing` are the user's own weights.
    An output without a scheme or without labels gets None.
    """
    names = output_names(y)
    if names is None:
        tally = Tally(kind, ignore, classes)
        tally.add(y, mask, existing)
        if existing is not None and mask is None and not tally.ignore and tally.kind == "codes":
            _check_classes_kept(y, existing)
        return make(tally.table(scheme), y, mask, existing)
    if not isinstance(y, Mapping):
        outputs = [target for target in y if target is not None]
        _check_list_of_outputs(
            outputs, any(isinstance(option, list) for option in (scheme, mask, kind, ignore, classes, existing))
        )
    given = {
        "scheme": scheme,
        "mask": mask,
        "kind": kind,
        "ignore": ignore,
        "classes": classes,
        "sample_weight": existing,
    }
    options = {word: per_output(value, names, y, word) for word, value in given.items()}
    out: dict[Any, Any] = {}
    for name in names:
        own = {word: values[name] for word, values in options.items()}
        if own["scheme"] is None or y[name] is None:
            out[name] = None
            continue
        kind, ignore = own["kind"] or "auto", own["ignore"]
        out[name] = _for_named_output(
            name, make, y[name], own["scheme"], own["mask"], kind, ignore, own["classes"], own["sample_weight"]
        )
    return out if isinstance(y, Mapping) else [out[k] for k in names]


def _check_classes_kept(y: Any, existing: Any) -> None:
    """Raise an error if the user's weights are 0 for all rows of a class, if there is one class per row.

    Sequences and masks are not checked, because a weight of 0 marks padding there.
    """
    labels = read_labels(y)
    if labels.codes.ndim == 1:
        weights = np.asarray(unmasked(existing), dtype=float).reshape(-1)
        check_no_class_lost(labels.codes, weights, list(labels.classes))


def _for_named_output(name: Any, make: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result for one output; its errors get the name of the output.

    `arguments` are those of `_for_each_output` from `y` on.
    """
    try:
        return _for_each_output(make, *arguments)
    except (TargetError, OptionError) as error:
        number = getattr(getattr(arguments[0], "dtype", None), "kind", "") == "f"
        hint = f" If the output is not a class, give it no weights: scheme={{{name!r}: None, ...}}." if number else ""
        raise type(error)(f"Output {name!r}: {error}{hint}") from error
