"""Specifications: they compile, follow the record, and refuse what is not there."""

from __future__ import annotations

import pytest

from counterpoise.core.errors import OptionError
from counterpoise.report import figures, series, training_figures
from counterpoise.report.figure_tables import all_figures

SPECS = {
    spec.__name__: spec
    for spec in (
        figures.pr_spec, figures.roc_spec, figures.gain_spec, figures.decision_spec, figures.calibration_spec,
        figures.folds_spec,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_every_figure_compiles_to_svg(binary_record, name):
    svg = figures.still(SPECS[name](binary_record))
    assert svg.startswith("<svg")
    assert "Resampling ensemble" in svg


@pytest.mark.parametrize("name", ["training_spec", "class_recall_spec"])
def test_training_compiles_to_svg(binary_record, name):
    svg = figures.still(getattr(training_figures, name)(binary_record))
    assert "Resampling ensemble" in svg


@pytest.mark.parametrize("name", SPECS)
def test_a_hostile_label_stays_text(seven_record, name):
    assert "<script" not in figures.still(SPECS[name](seven_record))


def test_only_the_strategies_asked_for_are_drawn(binary_record):
    spec = figures.pr_spec(binary_record, ["oversample", "none"])
    assert {row["strategy"] for row in spec["data"]["values"]} == {"Oversampling", "Baseline"}
    with pytest.raises(OptionError, match="Did you mean 'oversample'"):
        figures.pr_spec(binary_record, ["oversampl"])


def test_a_figure_stays_small_with_many_curves(seven_record):
    rows = figures.pr_spec(seven_record)["data"]["values"]
    assert len([row for row in rows if "precision" in row]) <= 3000


def test_no_curves_no_figure(binary_record):
    with pytest.raises(OptionError, match="no curves"):
        figures.roc_spec({k: v for k, v in binary_record.items() if k != "curves"})


def test_the_caption_of_precision_names_no_strategy_and_no_class_that_is_not_there(binary_record, seven_record):
    def caption(record):
        return all_figures(record)["pr"]["caption"]

    same = "Baseline and Tuned threshold use the same network"
    assert same in caption(binary_record)
    for name in ("none", "threshold"):
        curves = {key: block for key, block in binary_record["curves"].items() if key != name}
        assert same not in caption(binary_record | {"curves": curves})
    assert "Each panel compares one class with all other classes. " in caption(seven_record)
    labels = seven_record | {"data": seven_record["data"] | {"kind": "labels"}}
    assert "Each panel compares the rows with one label with the rows without it. " in caption(labels)
    assert "class" not in caption(labels)
    many = [*labels["data"]["classes"], *({"label": f"x{k}", "count": 9, "share": 0.1} for k in range(8))]
    assert "(the 12 rarest of 15 labels)" in caption(labels | {"data": labels["data"] | {"classes": many}})


def test_a_still_is_svg_png_or_pdf(binary_record):
    assert figures.still(figures.folds_spec(binary_record), "png", scale=1)[:4] == b"\x89PNG"
    assert figures.still(figures.folds_spec(binary_record), "pdf")[:4] == b"%PDF"
    with pytest.raises(OptionError, match="Expected svg, png or pdf"):
        figures.still({}, "gif")


def test_no_two_strategies_look_alike():
    rows = [{"strategy": f"s{i}"} for i in range(28)] + [{"strategy": "none"}]
    looks = series.styles({"rows": rows})
    assert len({(s.color, tuple(s.dash)) for s in looks.values()}) == 29


def test_colors_show_on_paper_and_on_dark():
    for color in (*series.COLORS, series.GRAY):
        assert contrast(color, "#fdfdfb") >= 3, color
        assert contrast(color, "#14171a") >= 3, color


def contrast(one: str, other: str) -> float:
    """WCAG 2.1 contrast ratio."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_points_of_folds_keep_their_numbers_behind_a_fold_without_a_score():
    score = {"mean": 0.5, "low": 0.4, "high": 0.6, "folds": [float("nan"), 0.4, 0.6]}
    record = {"metric": "f1", "data": {}, "rows": [{"strategy": "none", "rank": 1, "scores": {"f1": score}}]}
    points = figures.folds_spec(record)["layer"][2]["data"]["values"]
    assert [(point["fold"], point["value"]) for point in points] == [(2, 0.4), (3, 0.6)]
