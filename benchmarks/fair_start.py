"""Is the comparison a fair one? A problem whose best ranking is known, so that no strategy has anything to mend.

    python -m benchmarks.fair_start [--seeds 20] [--rows 20000] [--network logistic mlp] [--shares 0.002 0.01 0.05]
    python -m benchmarks.fair_start --tutorial 5

Log odds are linear in ten normal features, so that the baseline can be right by itself: a strategy ahead of it
started nearer, or the baseline was cut off. Networks are trained as `compare` trains those of one fold (default budget,
extended where some are cut off) and scored on 200,000 fresh rows. Two numbers should be below 0.01 of average
precision: how far the baseline is from itself at ten times the budget, and how far the best strategy of the default set
is ahead of it, both in the mean over seeds (with the standard error of that mean).

`--tutorial` is the network of TensorFlow's tutorial on imbalanced data, on 60,000 rows of its kind (29 columns, 0.17%
positive): whether its author sets the output bias, as the tutorial does, should not matter to the verdict.

Measured on two shared cores (the scores do not depend on the load), average precision, mean over seeds (± its standard
error):

| network | positive | seeds | baseline less itself at 10 times the budget | best strategy less baseline |
|---|---|---|---|---|
| logistic | 0.2% | 20 | -0.0001 (± 0.0002) | -0.0037 (± 0.0016), resampling_ensemble |
| logistic | 1% | 20 | -0.0001 (± 0.0000) | -0.0007 (± 0.0005), resampling_ensemble |
| logistic | 5% | 20 | -0.0000 (± 0.0000) | -0.0002 (± 0.0001), resampling_ensemble |
| mlp | 0.2% | 20 | +0.0000 (± 0.0000) | +0.0015 (± 0.0014), resampling_ensemble |
| mlp | 1% | 20 | +0.0000 (± 0.0000) | +0.0030 (± 0.0011), resampling_ensemble |
| mlp | 5% | 20 | +0.0000 (± 0.0000) | +0.0017 (± 0.0007), resampling_ensemble |

`--tutorial 5`: in each of the 5 seeds the same verdict and the same scores with and without the author's bias.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from scipy.optimize import brentq
from sklearn.metrics import average_precision_score

import counterpoise as cp
from counterpoise.comparison.compare import EPOCHS
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.core.job import Job, Member
from counterpoise.data.split import hold_out
from counterpoise.networks.network import Network
from counterpoise.pipeline.budget import train_within_budget, training_lengths
from counterpoise.pipeline.fold_results import corrected_log_p
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import trained_members
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.resolve import resolved
from counterpoise.strategies.select import Strategy, select
from counterpoise.targets.kinds import target_of

Array = np.ndarray
FRESH, WIDTH, SLOPE, LONGER = 200_000, 10, 2.0, 10


def logistic(spec: cp.InputSpec, n_classes: int) -> keras.Model:
    """The right model: one layer."""
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


NETWORKS: dict[str, Any] = {"logistic": logistic, "mlp": "mlp", "tabular": "tabular"}


def problem(rows: int, share: float, seed: int) -> tuple[Examples, Array]:
    """Training rows, then the fresh ones, and the true log odds of all."""
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=WIDTH)
    x = rng.normal(size=(rows + FRESH, WIDTH)).astype("float32")
    z = x @ (SLOPE * slopes / np.linalg.norm(slopes))
    z = z + brentq(lambda b: float(np.mean(1 / (1 + np.exp(-z - b)))) - share, -30, 30)
    y = (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(np.int32)
    return Examples(x, y, (0, 1)), z


def fold_of(examples: Examples, rows: int, seed: int) -> Fold:
    train, stop = hold_out(replace(examples, x=examples.x[:rows], y=examples.y[:rows]), 0.2, seed)
    return Fold(0, 0, train, stop, np.arange(rows, len(examples)))


def scores(
    strategies: list[Strategy], examples: Examples, fold: Fold, network: Network, settings: Settings
) -> tuple[dict[str, float], Settings, dict[str, bool | None]]:
    """Average precision of each strategy on the fresh rows, the budget that was taken, and who was cut off there."""
    trainer = Trainer.of(examples, network, settings)
    strategies = [resolved(s, trainer.models) for s in strategies]
    versions = {(s.name, 0): s for s in strategies}
    jobs, members, _, taken = train_within_budget(strategies, versions, trainer, [fold])
    precision = {s.name: _score(s, jobs[s.name, 0], members, trainer, fold) for s in strategies}
    return precision, taken, {name: one.cut_off for name, one in training_lengths(jobs, members, trainer).items()}


def _score(strategy: Strategy, jobs: list[Job], members: dict[str, Member], trainer: Trainer, fold: Fold) -> float:
    trained, examples = trained_members(strategy, jobs, members, trainer), trainer.examples
    proba = np.mean([np.exp(corrected_log_p(target_of(examples), member)) for member in trained], axis=0)
    return float(average_precision_score(examples.y[fold.test], proba[:, 1]))


def one_seed(network_name: str, rows: int, share: float, seed: int) -> dict[str, float]:
    """Average precision by strategy; "truth", "longer" (the baseline at ten times the budget), and the extension."""
    examples, odds = problem(rows, share, seed)
    fold = fold_of(examples, rows, seed)
    network = Network(NETWORKS[network_name], examples)
    default = Settings(epochs="auto", batch_size="auto", seed=seed, recipe="auto").resolved_for(
        {"": network}, rows, EPOCHS, extend=True
    )
    strategies = [s for s in select("default") if s.name != "threshold"]  # ranks as the baseline does
    precision, taken, cut = scores(strategies, examples, fold, network, default)
    baseline = [s for s in strategies if s.name == "none"]
    long = replace(default, epochs=LONGER * EPOCHS, extend=False)
    truth = float(average_precision_score(examples.y[fold.test], odds[fold.test]))
    longer = scores(baseline, examples, fold, network, long)[0]["none"]
    return precision | {
        "longer": longer,
        "truth": truth,
        "extension": taken.extension,
        "cut off": float(bool(cut["none"])),
    }


def report(network_name: str, share: float, rows: list[dict[str, float]]) -> None:
    of = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    count = len(rows)

    def mean(values: Array) -> str:
        return f"{values.mean():+.4f} (± {values.std(ddof=1) / np.sqrt(count) if count > 1 else 0:.4f})"

    print(
        f"\n{network_name}, {100 * share:g}% positive, {count} seeds: truth {of['truth'].mean():.4f}, baseline "
        f"{of['none'].mean():.4f}; budget extended in {np.mean(of['extension'] > 1):.0%}, baseline cut off after "
        f"that in {of['cut off'].mean():.0%}",
        flush=True,
    )
    print(f"  baseline less itself at {LONGER} times the budget  {mean(of['none'] - of['longer'])}")
    for name in of:
        if name not in ("none", "longer", "truth", "extension", "cut off"):
            print(f"  {name} less baseline  {mean(of[name] - of['none'])}", flush=True)


def tutorial(seeds: int) -> None:
    """Print the verdict without and with the bias that the tutorial sets, for each seed."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        y = (rng.random(60_000) < 0.0017).astype(int)
        shift = np.array([1.6, -1.4, 1.2, -1.0, 0.8, -0.7, 0.5, 0.4, *[0.0] * 20])
        x = np.c_[rng.normal(size=(len(y), 28)) + shift * y[:, None], rng.normal(3 + 0.8 * y, 1.5)].astype("float32")
        for bias in (0.0, float(np.log(y.mean() / (1 - y.mean())))):
            how: dict[str, Any] = {
                "strategies": "class_weight,oversample",
                "folds": 3,
                "epochs": 30,
                "batch_size": 2048,
            }
            result = cp.compare(_of_tutorial(bias), x, y, seed=seed, refit=False, verbose=0, **how)
            precision = {
                row["strategy"]: round(row["scores"]["average_precision"]["mean"], 3) for row in result.leaderboard
            }
            print(
                f"seed {seed}, bias {bias:.2f}: {result.verdict.word}, {result.verdict.winner} {precision}", flush=True
            )


def _of_tutorial(bias: float) -> Any:
    def build(spec: cp.InputSpec, n_classes: int) -> keras.Model:
        inputs = spec.inputs()
        h = keras.layers.Dropout(0.5)(keras.layers.Dense(16, activation="relu")(inputs))
        top = keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(bias))
        return keras.Model(inputs, top(h))

    return build


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=["logistic", "mlp"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.002, 0.01, 0.05])
    parser.add_argument("--tutorial", type=int, default=0, help="Seeds of the tutorial's network alone.")
    how = parser.parse_args()
    if how.tutorial:
        tutorial(how.tutorial)
        return
    for name in how.network:
        for share in how.shares:
            report(name, share, [one_seed(name, how.rows, share, seed) for seed in range(how.seeds)])


if __name__ == "__main__":
    main()
