"""Inside scikit-learn: a pipeline and a grid search over strategies.

python examples/scikit_learn_pipeline.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import PrecisionRecallDisplay, average_precision_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

import counterpoise as cp


def main(out: Path = Path()) -> None:
    """Search over three strategies, score the best on rows that nothing saw, draw its curve."""
    x, y = make_classification(1500, 8, weights=[0.93], class_sep=1.2, flip_y=0.01, random_state=0)
    a, b, c, d = train_test_split(x, y, test_size=0.4, stratify=y, random_state=0)
    network = cp.CounterpoiseClassifier("mlp", epochs=8, batch_size=64, random_state=0, verbose=0)
    pipeline = make_pipeline(PowerTransformer(), network)
    grid = {"counterpoiseclassifier__strategy": ["none", "oversample", "class_weight"]}
    search = GridSearchCV(pipeline, grid, scoring="average_precision", cv=2).fit(a, c)
    for strategy, score in zip(*[search.cv_results_[k] for k in ("params", "mean_test_score")], strict=True):
        print(f"{strategy['counterpoiseclassifier__strategy']}: average precision {score:.3f}")

    probability = search.predict_proba(b)[:, 1]
    print(f"on new rows: {average_precision_score(d, probability):.3f}")
    print(f"mean probability {probability.mean():.3f}, share {np.mean(d):.3f}")
    figure, axes = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
    PrecisionRecallDisplay.from_predictions(d, probability, ax=axes, name="best of the search")
    figure.savefig(out / "scikit_learn_pipeline.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
