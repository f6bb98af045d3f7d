"""From what was trained and judged to the content of leaderboard.json.

The keys are saved: the page, `compare_many` and users read them (`stored_values.RECORD`, tests/leaderboard_schema.py).
Increase `stored_values.SCHEMA` with a change that makes earlier files unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.comparison import tally
from counterpoise.comparison.costs import AnyCosts
from counterpoise.comparison.cut_off import training_warnings
from counterpoise.comparison.halving import Limit, Rungs, stopped_text
from counterpoise.comparison.nested import Nested
from counterpoise.comparison.stored_values import SCHEMA
from counterpoise.comparison.verdict import Judgment, Verdict
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.version import version
from counterpoise.data.given_split import Split
from counterpoise.data.split import usable_rows
from counterpoise.diagnosis.guard import COLUMNS, REPEATS
from counterpoise.networks.network import Network
from counterpoise.pipeline.assembly import split_counts
from counterpoise.pipeline.order import Outcome
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.external import PREFIX
from counterpoise.strategies.select import Strategy


def leaderboard_rows(
    judgment: Judgment, by_name: Mapping[str, Sequence[FoldResult]], strategies: Sequence[Strategy],
    examples: Examples, outcome: Outcome, stopped: Rungs, costs: AnyCosts | None, labels: Mapping[str, str],
    default: str,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return one row per strategy: the judged by rank, then those stopped early, then those that failed.

    `stopped` has the strategies that a limit stopped early. `labels` maps each strategy to the names of its models;
    `default` is used for strategies without an entry.
    """
    members = {s.name: list(s.member_names) for s in strategies}
    rows = [
        tally.strategy_row(
            by_name[name], examples, judgment, costs, outcome.tuned.get(name, ()), members[name], outcome.training[name]
        )
        for name in judgment.ranking
    ]
    rows += [
        tally.failed_row(name, len(rows) + i, stopped_text(stop), "stopped early", int(stop["steps"]))
        for i, (name, stop) in enumerate(stopped.stopped.items(), 1)
    ]
    failed = enumerate(outcome.failures.items(), len(rows) + 1)
    rows += [tally.failed_row(name, rank, text) for rank, (name, text) in failed]
    return [{**row, "model": labels.get(row["strategy"], default)} for row in rows]


def leaderboard_record(
    rows: Sequence[Mapping[str, Any]], verdict: Verdict, warnings: Sequence[str], trainer: Trainer, outcome: Outcome,
    *, metric: str, limited: Limit | None, nested: Nested | None, costs: AnyCosts | None, labels: Mapping[str, str],
    split: Split, audit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the content of leaderboard.json, as JSON values.

    `labels` is as in `leaderboard_rows`, and `split` made the folds. `audit` is as `audit.audit_of` returns it, or
    None.
    """
    examples, settings = trainer.examples, trainer.settings
    used = usable_rows(examples, split.duplicates)[0]
    left_out = split.left_out(examples, outcome.folds)
    return {
        "schema": SCHEMA,
        "version": version(),
        "data": tally.data_block(examples, used),
        "metric": metric,
        "folds": len(outcome.folds) // outcome.repeats,
        "repeats": outcome.repeats,
        "split": None if examples.split is None else split_counts(outcome.folds[0], len(outcome.folds[0].test)),
        "label_delay": {"delay": split.label_delay, "left_out": left_out} if split.label_delay else None,
        "audit": None if audit is None else dict(audit),
        "seed": settings.seed,
        "budget": settings.budget,
        "network": ", ".join(dict.fromkeys(v for k, v in labels.items() if not k.startswith(PREFIX))),
        "settings": {
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "extension": outcome.extension,
            "early_stopping": settings.early_stopping,
            "init_bias": settings.init_bias,
            "tune": settings.tune,
            "tune_steps": settings.tune_steps,
            "limit": None if limited is None else limited.amount,
        },
        "time_limited": limited is not None and limited.seconds,
        "nested": None if nested is None else nested.to_dict(),
        "costs": None if costs is None else costs.to_dict(),
        "warnings": [
            *examples.warnings,
            *tally.dropped_notes(examples, used),
            *warnings,
            *training_warnings(outcome.training, rows),
        ],
        "verdict": verdict.to_dict(),
        "rows": list(rows),
    }


def warnings_of(trainer: Trainer, diagnosis: Mapping[str, Any]) -> list[str]:
    """Return sentences of warning, in addition to those of reading the rows.

    They are about leaks and near-duplicates in the diagnosis, a model that was already trained, and its output bias.
    """
    # Checks of these names are not repeated here.
    named = (REPEATS,) if trainer.examples.schema is None else (REPEATS, COLUMNS)
    looks = [c for c in diagnosis["checks"] if c["status"] == "look" and c["name"] not in named]
    notes = [f"{c['finding']} {c['action']}" for c in looks]
    for network in trainer.models.values():
        if not isinstance(network, Network):
            continue
        if network.keep and network.was_trained:
            notes.append(
                "The model was already trained, and training starts from its weights. If these rows were "
                'used for that training, every score is too high. Pass initial_weights="fresh" to start from '
                "new weights."
            )
        if trainer.settings.init_bias and (note := network.output_bias.note()):
            notes.append(note)
    return notes
