"""Elements (pixels or steps) that stand for all elements of their rows where rules are fitted and scores are taken.

A row of 65,536 pixels would make stored scores too large, and most of its pixels tell the same. Of each row the same
number of elements is kept: each class that the row contains gets an equal number of places, and a class that needs
fewer leaves the rest to the others, so that all pixels of a small lesion are among them. An element weighs how many
elements of its row and class it stands for, so that weighted shares and mean losses are those of all elements.

The draw of a row depends only on its position and is the same in each run: stored outputs of members belong to these
elements. Another draw makes them worthless.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpoise.core import seeds

Array = np.ndarray

#: Elements of all rows together that are kept at about; of one row at least and at most so many.
ALL_ROWS, LEAST, MOST = 131_072, 64, 16_384


@dataclass(frozen=True)
class ElementSample:
    """Elements of each row.

    Attributes:
        index: int32 (N, k), places of the elements in the flattened row.
        y: int (N, k), their class codes; -1: a place that is not used, or an element that does not count.
        weights: float32 (N, k), how many elements of its row and class each stands for; 0 where it does not count.
    """

    index: Array
    y: Array
    weights: Array

    def of_outputs(self, outputs: Array, rows: Array) -> Array:
        """Return the outputs of a network for the sampled elements, (n, k, units).

        `outputs` (n, ..., units) are those for all elements.
        `rows` int (n,) are the positions in this sample of the rows that the outputs are for.

        Example:
            >>> sample = draw_sample(np.array([[0, 0, 1]], np.int8), 2)
            >>> sample.of_outputs(np.array([[[0.1], [0.2], [0.9]]]), np.array([0])).ravel().tolist()
            [0.1, 0.2, 0.9]
        """
        flat = outputs.reshape(len(outputs), int(np.prod(outputs.shape[1:-1])), outputs.shape[-1])
        return np.take_along_axis(flat, self.index[rows][..., None], axis=1)


def draw_sample(y: Array, n_classes: int, *, size: int | None = None) -> ElementSample:
    """Draw elements of each row at random; the seed of a row depends only on its position.

    All elements are kept if a row has at most k.

    Args:
        y: int (N, ...), class code of each element; below 0: it does not count.
        n_classes: C.
        size: k; None: chosen by the number of rows. A row of fewer elements is kept whole.

    Example:
        >>> y = np.zeros((1, 1000), np.int8)
        >>> y[0, :3] = 1
        >>> sample = draw_sample(y, 2, size=100)
        >>> [float(sample.weights[sample.y == code].sum()) for code in (0, 1)], int((sample.y == 1).sum())
        ([997.0, 3.0], 3)
    """
    n, elements = len(y), int(np.prod(y.shape[1:]))
    k = int(np.clip(ALL_ROWS // max(1, n), LEAST, MOST)) if size is None else size
    flat = y.reshape(n, elements)
    if elements <= k:
        index = np.broadcast_to(np.arange(elements, dtype=np.int32), (n, elements))
        return ElementSample(np.array(index), flat, (flat >= 0).astype(np.float32))
    index, weights = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    codes = np.full((n, k), -1, y.dtype)
    for row, own in enumerate(flat):
        start, rng = 0, seeds.generator(0, "elements", row)
        counts = np.bincount(own[own >= 0], minlength=n_classes)
        for code, places in enumerate(_divide_places(counts, k)):
            if places:
                span = slice(start, start := start + places)
                chosen = rng.choice(np.flatnonzero(own == code), places, replace=False, shuffle=False)
                index[row, span], codes[row, span], weights[row, span] = chosen, code, counts[code] / places
    return ElementSample(index, codes, weights)


def _divide_places(counts: Array, k: int) -> Array:
    """Divide k places among classes with these counts of elements, int64 (C,).

    The class with the fewest elements goes first. Each gets at most an equal share of the places that are left.
    """
    places, left = np.zeros(len(counts), np.int64), k
    order = np.argsort(counts, kind="stable")
    for rank, code in enumerate(order):
        places[code] = min(counts[code], left // (len(order) - rank))
        left -= places[code]
    return places
