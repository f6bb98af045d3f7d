"""SMS-like texts with your own Keras model: the words become vectors inside the model, so that text goes in.

python examples/short_texts.py
"""

from __future__ import annotations

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import counterpoise as cp

WORDS = "see you later at home dinner call me when the bus train is late ok thanks love tomorrow meeting".split()
SPAM = "win free prize cash claim now urgent offer text stop".split()


def messages(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Short texts, 6% of them spam that hides a few spam words among ordinary ones."""
    rng = np.random.default_rng(seed)
    spam = rng.random(n) < 0.06
    texts = []
    for bad in spam:
        words = list(rng.choice(WORDS, rng.integers(4, 10)))
        words += list(rng.choice(SPAM, rng.integers(1, 4))) if bad or rng.random() < 0.04 else []
        texts.append(" ".join(rng.permutation(words)))
    return np.array(texts), np.where(spam, "spam", "ham")


def network(texts: np.ndarray) -> keras.Model:
    """Words, their vectors, the mean of the vectors, one logit."""
    words = keras.layers.TextVectorization(max_tokens=2000, output_sequence_length=12)
    words.adapt(texts)
    inputs = keras.Input((), dtype="string")
    h = keras.layers.Embedding(2000, 16)(words(inputs))
    h = keras.layers.GlobalAveragePooling1D()(h)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(16, activation="relu")(h)))


def main(out: Path = Path()) -> None:
    """Train with class weights, predict new texts."""
    texts, labels = messages(2000, seed=0)
    how = {"strategy": "class_weight", "epochs": 8, "batch_size": 64, "verbose": 0}
    clf = cp.fit(network(texts), texts, labels, optimizer=keras.optimizers.Adam(0.005), **how)
    new, truth = messages(800, seed=1)
    probability = clf.predict_proba(new)[:, list(clf.classes_).index("spam")]
    decision = clf.predict(new)
    print(f"found {((decision == 'spam') & (truth == 'spam')).sum()} of {(truth == 'spam').sum()} spam texts")
    print(f"false positives: {((decision == 'spam') & (truth == 'ham')).sum()} of {(truth == 'ham').sum()}")

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    bins = np.linspace(0, 1, 21)
    for label in ("ham", "spam"):
        axes.hist(probability[truth == label], bins, alpha=0.7, label=label)
    axes.axvline(clf.rule.threshold, color="gray", linestyle="--", label="threshold")
    axes.set(xlabel="probability of spam", ylabel="texts", yscale="log")
    axes.legend(frameon=False)
    figure.savefig(out / "short_texts.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
