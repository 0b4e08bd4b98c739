"""Texts for the demo without a download: names of countries and languages in 24 languages (Unicode's CLDR)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..core.problem import USAGE, Problem

LANGUAGES = {
    "cs": "Czech", "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "et": "Estonian", "fi": "Finnish",
    "fr": "French", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "sv": "Swedish", "sw": "Swahili", "tr": "Turkish", "vi": "Vietnamese", "eu": "Basque",
}  # fmt: skip  # in Latin script only: a single character would reveal another script


def names(code: str) -> list[str]:
    """Returns a language's names of countries and languages with more than 7 characters, sorted, without duplicates.

    Raises Problem if Babel is not installed.
    """
    try:
        from babel import Locale
    except ImportError:
        raise Problem("the texts of the demo come with Babel: pip install 'neocog[demo]'", USAGE) from None
    locale = Locale.parse(code)
    distinct = {*locale.territories.values(), *locale.languages.values()}
    return sorted(name for name in distinct if len(name) > 7 and not any(sign.isdigit() for sign in name))


def write(path: Path, codes: Sequence[str] = tuple(LANGUAGES), limit: int = 600) -> int:
    """Writes a CSV of names and their languages without names that two languages share; returns the number of rows.

    Each language has some `limit` names at most.
    """
    names_by_code = {code: names(code) for code in codes}
    count: dict[str, int] = {}
    for language_names in names_by_code.values():
        for name in language_names:
            count[name] = count.get(name, 0) + 1
    rows = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("text", "label"))
        for code, language_names in names_by_code.items():
            unique = [name for name in language_names if count[name] == 1]
            for name in unique[:: max(1, len(unique) // limit)][:limit]:
                table.writerow((name, LANGUAGES[code]))
                rows += 1
    return rows
