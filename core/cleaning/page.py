"""The files of a cleaning: a page to look through, a table for `train --exclude`, the out-of-fold probabilities."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..domain import Domain
from ..format import percent, without_controls
from ..retrieval.sheet import Gallery, as_html, excerpt
from ..sources.formula import escape
from ..templates import template
from .clean import COLUMNS, Cleaning, Row, rows, summary

MOST = 120  # findings of a kind on the page
SHOWN_TEXT = 400  # characters


def write(folder: Path, cleaning: Cleaning, domain: Domain, data: str) -> dict[str, Any]:
    """Writes report.html, clean.csv, clean.json and probabilities.npz; returns what clean.json holds."""
    findings = rows(cleaning)
    document = summary(cleaning)
    with files.disk_errors(folder / "clean.csv"):
        folder.mkdir(parents=True, exist_ok=True)
        files.write_text(folder / "clean.csv", table(findings))
        files.write_text(folder / "clean.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        names = [cleaning.examples.names[index] for index in range(len(cleaning.examples))]
        arrays = {
            "probabilities": cleaning.probabilities,
            "labels": cleaning.labels,
            "names": np.array(names),
            "label_names": np.array(cleaning.data.labels),
            "folds": cleaning.fold_of,
        }
        files.write(folder / "probabilities.npz", lambda temporary: _save(temporary, arrays))
        html = page(cleaning, domain, data).encode("utf-8", "replace").decode()
        files.write_text(folder / "report.html", without_controls(html))
    return document


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def table(findings: Sequence[Row]) -> str:
    """The findings as CSV, cells that a spreadsheet would run as formulas marked as text."""
    file = StringIO()
    out = csv.writer(file, lineterminator="\n")
    out.writerow(COLUMNS)
    for finding in findings:
        out.writerow([escape(str(finding[column])) for column in COLUMNS])
    return file.getvalue()


def sentences(cleaning: Cleaning) -> list[str]:
    """What was found, in words."""
    counts = summary(cleaning)
    return [
        f"{counts['examples']:,} examples, {len(cleaning.data.labels)} labels. By {counts['method']}, in "
        f"{counts['folds']} folds, {percent(counts['accuracy'])} of the labels are the most probable one.",
        f"{counts['label_errors']:,} labels are suspected to be wrong.",
        f"{counts['duplicates']:,} pairs are near-duplicates, {counts['duplicates_across_splits']:,} of them across "
        f"splits, {counts['contradicting_duplicates']:,} with different labels.",
        f"{counts['outliers']:,} examples are far from all others.",
    ]


def texts_of(cleaning: Cleaning, domain: Domain) -> dict[str, str]:
    """The beginnings of texts by the names of their examples; none in a domain of other inputs."""
    gallery = Gallery(domain, cleaning.data.preprocessing, lambda: cleaning.data)
    if not gallery.readable:
        return {}
    indices = {suspect.index for suspect in cleaning.suspects} | set(cleaning.outliers)
    indices |= {cleaning.superfluous(pair) for pair in cleaning.duplicates}
    names = {index: cleaning.examples.names[index] for index in indices}
    return {name: excerpt(gallery.row(index, name).text or "", 40) for index, name in names.items()}


def short_name(name: str, data: str) -> str:
    """The name of an example without the folder of its data."""
    folder = os.path.abspath(data)
    return name.removeprefix(os.path.join(folder if os.path.isdir(folder) else os.path.dirname(folder), ""))


def page(cleaning: Cleaning, domain: Domain, data: str) -> str:
    """A self-contained HTML page with the first MOST findings of each kind."""
    sections = [section for section in _sections(cleaning, domain, data) if section["findings"]]
    return template("clean.html").render(
        title=f"Possible faults in {Path(data).name or data}", sentences=sentences(cleaning), sections=sections
    )


def _sections(cleaning: Cleaning, domain: Domain, data: str) -> list[dict[str, Any]]:
    gallery = Gallery(domain, cleaning.data.preprocessing, lambda: cleaning.data)
    layout = "texts" if gallery.readable else ""
    names, labels = cleaning.data.labels, cleaning.labels

    def shown(*indices: int) -> list[dict[str, str | None]]:
        entries = [as_html(gallery.row(index, cleaning.examples.names[index])) for index in indices]
        return [entry | {"text": entry["text"] and entry["text"][:SHOWN_TEXT]} for entry in entries]

    def finding(caption: str, *indices: int) -> dict[str, Any]:
        names = [short_name(cleaning.examples.names[index], data) for index in indices]
        lines = [f"{cleaning.splits[index]}: {name}" for index, name in zip(indices, names, strict=True)]
        return {"caption": caption, "lines": lines, "shown": shown(*indices)}

    wrong = [
        finding(
            f"{suspect.label} ({percent(suspect.confidence)}), perhaps {suspect.suggested} "
            f"({percent(suspect.suggested_probability)})",
            suspect.index,
        )
        for suspect in cleaning.suspects[:MOST]
    ]
    pairs = []
    for pair in cleaning.duplicates[:MOST]:
        first, second = names[labels[pair.first]], names[labels[pair.second]]
        text = f"{pair.agreement:.3f}: {first}" + (f" and {second}, labels that differ" if first != second else "")
        text += ", across splits" if cleaning.across_splits(pair) else ""
        text += ", of one group" if cleaning.same_group(pair) else ""
        pairs.append(finding(text, pair.first, pair.second))
    far = [
        finding(f"{names[labels[index]]}, distance {cleaning.distances[index]:.3f}", index)
        for index in cleaning.outliers[:MOST]
    ]
    return [
        {
            "title": f"Suspected labels: {len(cleaning.suspects):,}",
            "note": "The label with its out-of-fold probability, and the label that the networks are confident of; the "
            f"most probably wrong come first. At most {MOST} are shown.",
            "findings": wrong,
            "layout": layout,
        },
        {
            "title": f"Near-duplicates: {len(cleaning.duplicates):,} pairs",
            "note": "How well pixels, samples or letters agree (1 is equal), and the labels. Copies in training and "
            "test make the test easier than new examples are.",
            "findings": pairs,
            "layout": layout or "pairs",
        },
        {
            "title": f"Outliers: {len(cleaning.outliers):,}",
            "note": "Far from all other examples: broken, of another kind, or rare and right. They are not marked to "
            "be left out.",
            "findings": far,
            "layout": layout,
        },
    ]
