"""Cells that a spreadsheet would run as formulas: written with an apostrophe in front, which is removed on reading.

Spreadsheets show a cell that begins with an apostrophe as text. Numbers stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

FORMULA = re.compile(r"'*[=+\-@\t\r]")
COLUMN = "predicted"  # of the tables that neocog writes; the cells of other tables are not changed on reading


def escape(cell: str) -> str:
    """A cell that no spreadsheet runs; one that begins with apostrophes and a sign gets one more."""
    return f"'{cell}" if FORMULA.match(cell) and not _is_number(cell) else cell


def unescape(cell: str) -> str:
    """The cell that `escape` was called with."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell


def is_escaped(header: Sequence[str]) -> bool:
    """Whether a table is one that neocog wrote."""
    return COLUMN in header


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
