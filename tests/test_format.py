"""Texts of others in terminals, pages and tables: nothing acts upon them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.format import visible, without_controls
from neocog.core.sources.formula import escape, unescape
from neocog.core.sources.table import Row, parse_table

ESCAPE = "\x1b[31mred\x1b[0m\x07"


def test_escape_sequences_are_shown_and_do_nothing():
    assert visible(ESCAPE) == r"\x1b[31mred\x1b[0m\x07"
    assert visible("naïve 猫 🦆\ttab\nline") == "naïve 猫 🦆\ttab\nline"
    assert visible("a\rb\x9bc\u202ed") == r"a\rb\x9bc\u202ed"


def test_pages_hold_no_control_characters():
    assert without_controls(f"<b>{ESCAPE}</b>") == "<b>[31mred[0m</b>"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("@SUM(A1)", "'@SUM(A1)"), ("-- he said", "'-- he said"),
        ("\t=1", "'\t=1"), ("'=1", "''=1"), ("-5.3", "-5.3"), ("+7", "+7"), ("'tis", "'tis"), ("a=1", "a=1"), ("", ""),
    ],
)  # fmt: skip
def test_cells_that_a_spreadsheet_would_run_get_an_apostrophe(cell, written):
    assert escape(cell) == written
    assert unescape(written) == cell


@given(st.text("'=+-@\t5.a", max_size=6))
def test_an_escaped_cell_is_read_as_it_was(cell):
    assert unescape(escape(cell)) == cell


def rows_of(table: list[list[str]]) -> list[list[str]]:
    """The rows of a table that is written as CSV and read again."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return [row.cells for row in parse_table("t.csv", text.getvalue()).rows if isinstance(row, Row)]


def test_a_table_that_neocog_wrote_is_read_as_it_was_and_no_other_is_changed():
    assert rows_of([["text", "predicted"], ["'=1", "a"]]) == [["text", "predicted"], ["=1", "a"]]
    assert rows_of([["text", "label"], ["'=1", "a"]]) == [["text", "label"], ["'=1", "a"]]


def test_figures_hold_no_control_characters(tmp_path):
    """An SVG with one is no XML; a dollar sign starts no formula."""
    from xml.etree import ElementTree

    from neocog.core import charts

    labels = ["\x1b[31mred", "$x_1$", "\udcff", r"\frac{$", "a\nb"]

    def draw(figure_class):
        figure = figure_class(figsize=(3, 3))
        axes = figure.subplots()
        axes.plot([0, 1], label=labels[0])
        axes.set_title(labels[0])
        axes.set_xlabel(labels[1])
        axes.set_ylabel(labels[3])
        axes.text(0.5, 0.5, labels[2])
        axes.legend()
        figure.suptitle(labels[0])
        return figure

    charts.save(draw, tmp_path / "a.svg")
    charts.save_confusion([[1] * 5] * 5, labels, tmp_path / "b.svg")
    for name in ("a.svg", "b.svg"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert r"\x1b[31mred" in text and r"\udcff" in text and "$x_1$" in text and r"\frac{$" in text
    assert charts.png(draw).startswith(b"\x89PNG")
