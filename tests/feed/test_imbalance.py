"""Class sizes by the published recipe, and what must stay as it was."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.feed.imbalance import imbalanced_rows, make_imbalanced


def cao(n_max: int, n_classes: int, factor: float, kind: str) -> list[int]:
    """The sizes of `get_img_num_per_cls` in words of the paper, at least 1."""
    if kind == "exp":
        sizes = [n_max * factor ** (k / (n_classes - 1)) for k in range(n_classes)]
    else:
        sizes = [n_max] * (n_classes // 2) + [n_max * factor] * (n_classes // 2)
    return [max(1, int(size + 1e-9)) for size in sizes]


@pytest.mark.parametrize("shape", ["exp", "step"])
@pytest.mark.parametrize("ratio", [1, 10, 50, 100])
def test_sizes_are_those_of_the_paper(shape, ratio):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 500))
    kept = y[imbalanced_rows(y, ratio, shape)]
    assert np.bincount(kept).tolist() == cao(500, 10, 1 / ratio, shape)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.floats(1, 200), st.sampled_from(["exp", "step"]))
def test_any_class_sizes_follow_the_shape(sizes, ratio, shape):
    y = np.repeat(np.arange(len(sizes)), sizes)
    rows = imbalanced_rows(y, ratio, shape)
    kept = np.bincount(y[rows], minlength=len(sizes))
    assert len(np.unique(rows)) == len(rows)
    assert np.all((kept >= 1) & (kept <= sizes))
    assert np.all(np.diff(kept) <= 0)


def test_structures_are_kept_and_rows_stay_together():
    y = np.repeat([0, 1], 50)
    x = {"a": np.arange(100), "b": (np.arange(200).reshape(100, 2),)}
    x_new, y_new = make_imbalanced(x, y, 10, seed=3)
    assert np.bincount(y_new).tolist() == [50, 5]
    assert np.array_equal(x_new["b"][0][:, 0] // 2, x_new["a"])
    assert np.array_equal(y[x_new["a"]], y_new)
    frame, labels = make_imbalanced(pl.DataFrame({"a": np.arange(100)}), y.tolist(), 10, seed=3)
    assert np.array_equal(frame["a"].to_numpy(), x_new["a"])
    assert labels == y_new.tolist()


def test_order_and_seed():
    y = np.repeat(["a", "b", "c"], 100)
    rows = imbalanced_rows(y, 100, order=["c", "a", "b"], seed=1)
    assert [int((y[rows] == c).sum()) for c in "cab"] == [100, 10, 1]
    assert np.array_equal(rows, imbalanced_rows(y, 100, order=["c", "a", "b"], seed=1))
    assert not np.array_equal(rows, imbalanced_rows(y, 100, order=["c", "a", "b"], seed=2))


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (OptionError, {"ratio": 0.5}),
        (OptionError, {"shape": "cliff"}),
        (OptionError, {"order": [0]}),
        (OptionError, {"shape": "step", "minority": 1.0}),
    ],
)
def test_arguments_out_of_range_are_refused(error, how):
    with pytest.raises(error):
        make_imbalanced(np.arange(4), [0, 0, 1, 1], **how)


def test_one_class_and_other_lengths_are_refused():
    with pytest.raises(TargetError, match="two classes"):
        make_imbalanced(np.arange(3), [1, 1, 1])
    with pytest.raises(DataError, match="lengths"):
        make_imbalanced(np.arange(5), [0, 0, 1, 1])


@pytest.mark.parametrize("form", [tuple, list, lambda y: csr_matrix(np.eye(2, dtype=int)[y])])
def test_labels_of_other_kinds_keep_the_same_rows(form):
    y = np.repeat([0, 1], 30)
    want = make_imbalanced(np.arange(60)[:, None], y, 10)
    x, kept = make_imbalanced(np.arange(60)[:, None], form(y.tolist()), 10)
    assert np.array_equal(x, want[0])
    labels = kept.toarray().argmax(axis=1) if hasattr(kept, "toarray") else kept
    assert np.array_equal(labels, want[1])
