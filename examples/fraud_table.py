"""Fraud-like table: compare strategies, keep the best, choose a threshold for an alert budget.

python examples/fraud_table.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import counterpoise as cp


def transactions(n: int = 3000, seed: int = 0) -> pl.DataFrame:
    """Payments, 3% of them fraud: larger, later, abroad more often; some ages are missing."""
    rng = np.random.default_rng(seed)
    fraud = rng.random(n) < 0.03
    age = rng.gamma(2, 400, n).round()
    return pl.DataFrame(
        {
            "amount": (rng.lognormal(3, 1, n) * np.where(fraud, 2.5, 1)).round(2),
            "hour": (rng.normal(np.where(fraud, 2, 14), 5, n) % 24).round(1),
            "country": np.where(rng.random(n) < np.where(fraud, 0.4, 0.05), "abroad", "home"),
            "account_days": [None if rng.random() < 0.05 else value for value in age],
            "fraud": np.where(fraud, "yes", "no"),
        }
    )


def main(out: Path = Path()) -> None:
    """Compare, decide, draw."""
    table = transactions()
    print(cp.diagnose(table, "fraud"))
    comparison = cp.compare("mlp", table, "fraud", strategies="threshold,oversample", folds=3, epochs=15, verbose=0)
    print(comparison.verdict)

    clf = comparison.best.decide(alerts=(20, 1000))  # the desk can look at 20 payments in 1,000
    fresh = transactions(seed=1)
    decision, truth = clf.predict(fresh), fresh["fraud"].to_numpy()
    alerts, frauds = (decision == "yes").sum(), (truth == "yes").sum()
    caught = ((decision == "yes") & (truth == "yes")).sum()
    print(f"{alerts} alerts on {len(fresh)} new payments; {caught} of {frauds} frauds found")

    probability = clf.predict_proba(fresh)[:, list(clf.classes_).index("yes")]
    order = np.argsort(-probability)
    share = np.cumsum(truth[order] == "yes") / (truth == "yes").sum()
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    axes.plot(np.arange(1, len(share) + 1), share)
    axes.axvline(alerts, color="gray", linestyle="--", label="alerts at the chosen threshold")
    axes.set(xlabel="payments reviewed, most suspicious first", ylabel="share of frauds found", xscale="log")
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(out / "fraud_table.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
