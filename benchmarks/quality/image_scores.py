"""Predictions of test pictures, to scores with intervals, tables, and what they show."""

from __future__ import annotations

import numpy as np

from benchmarks.quality.image_sets import Images
from counterpoise.core.logits import SMALLEST

Array = np.ndarray
#: Test rows of a class below which nothing is claimed.
FEW = 50
#: What the names of models end in that know the class shares of the test rows.
KNOWN = ", shares known"
#: Scores of which something is claimed.
CLAIMED = ("balanced accuracy", "skill")
#: What a model predicts of the test rows: probabilities (T, C) and class codes (T,).
Predictions = tuple[Array, Array]


def scores(data: Images, predictions: list[dict[str, Predictions]], draws: int = 2000) -> dict[str, dict[str, Array]]:
    """model -> score -> its value on all test rows (first) and on bootstrap draws of rows and seeds."""
    y, rng = data.y[data.test], np.random.default_rng(0)
    units = np.arange(len(y)) if data.groups is None else np.unique(data.groups[data.test], return_inverse=True)[1]
    count = units.max() + 1
    rows = np.stack([np.ones(count), *rng.multinomial(count, np.full(count, 1 / count), size=draws)])[:, units]
    many = len(predictions)
    seeds = np.stack([np.ones(many), *rng.multinomial(many, np.full(many, 1 / many), size=draws)]) / many
    sizes = np.stack([rows[:, y == c].sum(axis=1) for c in range(len(data.classes))])  # (C, draws)
    shares = sizes / sizes.sum(axis=0)
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-12)), axis=0)
    by_model: dict[str, dict[str, Array]] = {}
    for who in predictions[0]:
        right = np.stack([one[who][1] == y for one in predictions]).astype(float)  # (seeds, T)
        losses = np.stack([_losses(one[who][0], y) for one in predictions])
        correct, loss = seeds @ right, seeds @ losses  # (draws, T)
        recalls = [(rows * correct)[:, y == c].sum(axis=1) / np.maximum(sizes[c], 1e-12) for c in range(len(sizes))]
        mean_loss = (rows * loss).sum(axis=1) / rows.sum(axis=1)
        recall_of = {f"recall of {name}": r for name, r in zip(data.classes, recalls, strict=True)}
        by_model[who] = {"balanced accuracy": np.mean(recalls, axis=0), "skill": 1 - mean_loss / entropy, **recall_of}
    return by_model


def _losses(proba: Array, y: Array) -> Array:
    return -np.log(np.maximum(proba[np.arange(len(y)), y], SMALLEST))


def lines(name: str, data: Images, predictions: list[dict[str, Predictions]]) -> list[str]:
    """Markdown of one set."""
    by_model, sizes = scores(data, predictions), np.bincount(data.y[data.test], minlength=len(data.classes))
    counts = ", ".join(f"{c} {n}" for c, n in zip(data.classes, sizes, strict=True))
    text = [
        f"### {name}",
        "",
        f"{int((~data.test).sum())} training rows; test rows: {counts}; {len(predictions)} seeds.",
        "",
    ]
    names = list(next(iter(by_model.values())))
    few = {f"recall of {c}" for c, n in zip(data.classes, sizes, strict=True) if n < FEW}
    heads = [n + (" (few)" if n in few else "") for n in names]
    text += ["| | " + " | ".join(heads) + " |", "|---" * (len(names) + 1) + "|"]
    text += [
        f"| {who} | " + " | ".join(f"{values[n][0]:.3f}" for n in names) + " |" for who, values in by_model.items()
    ]
    text.append("")
    for end in ("", KNOWN):
        for rival in ("plain", "re-weighted"):
            for start in ("", "backbone, "):
                ours = [who for who in by_model if who.startswith(f"{start}ours") and who.endswith(KNOWN) == bool(end)]
                text += [_less(by_model, who, f"{start}{rival}{end}") for who in ours]
    return [*text, "", verdict(by_model, ""), "", verdict(by_model, KNOWN), ""]


def verdict(by_model: dict[str, dict[str, Array]], end: str) -> str:
    """What is shown of ours on `cnn` against plain and re-weighted `fit`, shares known or not, and what is not."""
    ours, pairs = f"ours{end}", [(score, rival) for score in CLAIMED for rival in ("plain", "re-weighted")]
    parts = [
        f"{score} above {rival} {_shown(by_model[ours][score], by_model[rival + end][score])}" for score, rival in pairs
    ]
    return f"`cnn`, {ours}: {'; '.join(parts)}."


def _shown(ours: Array, theirs: Array) -> str:
    less, text = ours - theirs, _difference(ours, theirs)
    if np.quantile(less[1:], 0.05) > 0:
        return f"shown, {text}"
    return f"{'in the mean' if less[0] > 0 else 'no'}, not shown, {text}"


def _less(by_model: dict[str, dict[str, Array]], who: str, rival: str) -> str:
    differences = [f"{n} {_difference(by_model[who][n], by_model[rival][n])}" for n in CLAIMED]
    return f"- {who}, less {rival}: {'; '.join(differences)}"


def _difference(ours: Array, theirs: Array) -> str:
    low, high = np.quantile((ours - theirs)[1:], [0.05, 0.95])
    return f"{(ours - theirs)[0]:+.3f} [{low:+.3f}, {high:+.3f}]"
