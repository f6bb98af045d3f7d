"""`counterpoise explain`: which columns a saved model needs (see `cp.explain`), or heat maps of images."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.cli import options as o
from counterpoise.cli.rows import (
    check_features,
    check_root,
    feature_options,
    form_options,
    picture_form,
    print_image_notes,
)
from counterpoise.cli.terminal import Terminal
from counterpoise.cli.trust import trusted_objects
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.files import check_folder, drafts, write_text
from counterpoise.core.json_values import jsonable
from counterpoise.core.keras_import import import_keras_quietly

NAME = "explain"
#: Images whose heat maps are in memory at a time.
AT_ONCE = 64


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    data: o.Data,
    target: Annotated[str | None, typer.Option(help="Column of the labels. Default: as in training.")] = None,
    groups: Annotated[
        str | None, typer.Option(help="Column of groups, such as patients. Confidence intervals resample whole groups.")
    ] = None,
    together: Annotated[
        str | None,
        typer.Option(help="Groups of columns to shuffle together, such as street+city,lat+lon.", metavar="A+B,..."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: page (.html), figure (.svg, .png, .pdf), or numbers (.json). For images: folder of "
            "heat maps."
        ),
    ] = None,
    images: o.Images = None,
    root: o.Root = None,
    features: o.SameFeatures = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Class or label that the heat maps explain. Default: the positive or most probable class.",
            show_default=False,
            rich_help_panel="Images",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out damaged and missing images.", rich_help_panel="Images")
    ] = False,
    trust: o.Trust = None,
    as_json: o.Json = False,
) -> None:
    """Measure the importance of each column, or draw heat maps of images."""
    from rich.table import Table

    check_root(root, images)
    if images is not None or data.is_dir():
        _check_image_options({"--target": target, "--groups": groups, "--together": together, "--json": as_json}, out)
        assert out is not None  # `_check_image_options` raises an error without a folder
        return _write_heat_maps(
            model, data, out, {"images": images, "root": root, "skip_bad": skip_bad}, label, features, trust
        )
    if label is not None or skip_bad or root is not None or features is not None:
        raise OptionError(
            f"--label, --root, --features and --skip-bad are for images, but {data.name} is a table. Remove "
            "these options."
        )
    if out is not None:
        o.check_file(out, reads=[data, model])
        o.check_format(out, [".html", ".svg", ".png", ".pdf", ".json"])
    import_keras_quietly()
    from counterpoise.classifier.classifier import load
    from counterpoise.classifier.importance import explain

    sets = [[name.strip() for name in one.split("+")] for one in o.split_names(together)]
    record = jsonable(explain(load(model, trusted_objects(trust)), data, target=target, groups=groups, together=sets))
    if out is not None:
        _write_importance(out, record, model.name)
    if as_json:
        print(json.dumps(record))
        return
    table = Table("column", "average precision lost", "95% CI", box=None, pad_edge=False, header_style="bold")
    for one in record["columns"]:
        score = one["importance"]
        table.add_row(" + ".join(one["columns"]), f"{score['value']:.4f}", f"{score['low']:.4f} to {score['high']:.4f}")
    Terminal().print(table)
    Terminal().print(f"{record['rows']:,} rows; average precision {record['average_precision']:.4f} with all columns")


def _write_importance(out: Path, record: Mapping[str, Any], name: str) -> None:
    """Write a page (.html), a figure (.svg, .png, .pdf), or otherwise the numbers (JSON)."""
    from counterpoise.report.importance import importance_page, importance_spec
    from counterpoise.report.plots import Plot

    if (suffix := out.suffix.lower()) == ".html":
        write_text(out, importance_page(record, name))
    elif suffix in (".svg", ".png", ".pdf"):
        Plot(importance_spec(record)).save(out)
    else:
        write_text(out, json.dumps(record, indent=1))


def _check_image_options(of_tables: Mapping[str, Any], out: Path | None) -> None:
    """Raise an OptionError if an option of tables is set, or if there is no folder `out`."""
    for option, value in of_tables.items():
        if value:
            raise OptionError(f"{option} is for tables, but the rows are images. Remove {option}.")
    if out is None:
        raise OptionError("--out is required for images. Name a folder for the heat maps.")
    check_folder(out)


def _check_names(names: Sequence[str], paths: Sequence[str]) -> None:
    """Raise a DataError if two images would write the same file."""
    image_of: dict[str, str] = {}
    for name, path in zip(names, paths, strict=True):
        if image_of.setdefault(name, path) != path:
            raise DataError(
                f"The heat maps of {image_of[name]} and {path} would have the same name, {name}. Rename one of the "
                "images."
            )


def _write_heat_maps(
    model: Path, data: Path, out: Path, how: Mapping[str, Any], label: str | None, features: str | None,
    trust: list[str] | None,
) -> None:  # fmt: skip
    """Write one PNG per image into the folder `out`: the image with its heat map drawn over it.

    `how` contains the options `images`, `root` and `skip_bad`. Without `images`, `data` is a folder of images. The
    name of a PNG is the path of its image, with "_" in place of the separators.

    Raises:
        DataError: Two images would write the same file.
    """
    import_keras_quietly()
    import numpy as np

    from counterpoise.classifier.classifier import load
    from counterpoise.data.images import list_images, list_unlabeled
    from counterpoise.report.heat import overlay
    from counterpoise.report.thumbnails import png

    clf = load(model, trusted_objects(trust))
    check_features(clf, features)
    size, form = picture_form(clf)
    if how["images"] is None:
        listed = list_unlabeled(data, size, form, how["skip_bad"])
    else:
        listed = list_images(data, size, **form_options(form), **feature_options(clf), **how)
    print_image_notes(listed)
    names = [os.path.relpath(path, listed.root).replace(os.sep, "_") + ".png" for path in listed.paths]
    _check_names(names, listed.paths)
    with drafts(out) as draft:
        for start in range(0, len(listed), AT_ONCE):
            part = listed.at(np.arange(start, min(start + AT_ONCE, len(listed))))
            shown, heat = part.read_as(form).load(), clf.explain(part, label=label)
            # Pixels of a learned form have no fixed range, so most of their values are shown.
            low, high = (0.0, 255.0) if not form.learned else np.percentile(shown, [0.5, 99.5]).tolist()
            for index, name in enumerate(names[start : start + AT_ONCE]):
                (draft / name).write_bytes(png(overlay(shown[index], heat[index], low, high)))
    Terminal().print(
        f"saved {len(names):,} heat maps in {out}: orange pixels increase the probability of the "
        f"class, blue pixels decrease it"
    )
