"""Spreadsheets of Excel (.xlsx), through openpyxl (the extra `excel`): the cells of the first sheet that has any.

openpyxl is pure Python and small, and reads the rows one after the other. Older and other formats are named with how to
export them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from ..problem import DATA, USAGE, Problem
from .content import LARGEST_FILE, counted, too_large
from .table import Row, Table

FOREIGN = {".ods": "an OpenDocument spreadsheet", ".xls": "a spreadsheet of Excel 97", ".xlsb": "a binary spreadsheet"}
EXPORT = "save it as CSV (in its program: Save As, CSV UTF-8)"


def read(name: str, content: bytes | Path) -> Table:
    """The rows of a spreadsheet, the first of which may be a header. Raises Problem if it cannot be read."""
    suffix = Path(name).suffix.lower()
    if suffix in FOREIGN:
        raise Problem(f"{name} is {FOREIGN[suffix]}, which is not read; {EXPORT}, or as .xlsx", DATA)
    workbook = _open(name, content)
    filled = [sheet for sheet in workbook.worksheets if any(map(_has_value, sheet.iter_rows(values_only=True)))]
    if not filled:
        return Table(name, iter(()))
    remarks = []
    if len(filled) > 1:
        others = ", ".join(sheet.title for sheet in filled[1:])
        remarks.append(
            f"{name}: sheet {filled[0].title} is read; left out {counted(len(filled) - 1, 'sheet')}: {others}"
        )
    return Table(name, _rows(name, filled[0]), remarks=remarks)


def _open(name: str, content: bytes | Path) -> Any:
    """The workbook, its formulas as the values they had when it was saved."""
    try:
        import openpyxl
    except ImportError:
        raise Problem(f"{name} needs openpyxl: pip install 'neocog[excel]'; or {EXPORT}", USAGE) from None
    try:
        if isinstance(content, Path):
            if (size := content.stat().st_size) > LARGEST_FILE:
                raise Problem(f"{name} {too_large(size)}", DATA)
            content = content.read_bytes()  # openpyxl would leave the file open
        file = io.BytesIO(content)
        with zipfile.ZipFile(file) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > LARGEST_FILE:
            raise Problem(f"{name} {too_large(size)}", DATA)
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Problem:
        raise
    except Exception as error:  # a password, a damaged zip or XML: openpyxl raises exceptions of many types
        raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> Problem:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return Problem(f"{name} is not a spreadsheet that can be read ({reason}); {EXPORT}", DATA)


def _rows(name: str, sheet: Any) -> Iterator[Row]:
    """The rows with a value, numbered as in the spreadsheet, all as wide as the widest."""
    try:
        sheet.reset_dimensions()  # some programs write wrong ones
        rows = [(number, row) for number, row in enumerate(sheet.iter_rows(values_only=True), 1) if _has_value(row)]
    except Exception as error:  # as above
        raise _damaged(name, error) from None
    width = max((_used(row) for _, row in rows), default=0)
    for number, row in rows:
        cells = [_cell(value) for value in row[:width]]
        yield Row(number, cells + [""] * (width - len(cells)))


def _used(row: tuple[Any, ...]) -> int:
    """The number of cells up to the last one with a value."""
    return max((index + 1 for index, value in enumerate(row) if value is not None), default=0)


def _has_value(row: tuple[Any, ...]) -> bool:
    return any(value is not None for value in row)


def _cell(value: Any) -> str:
    """A value as a CSV file holds it: 3 for the number 3.0, an ISO date."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
