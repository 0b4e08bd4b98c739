"""Real texts that need no network: what languages call the countries and languages of the world (Unicode's CLDR)."""

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
}  # fmt: skip  # all in Latin letters: those of other scripts would be told by one sign


def names(code: str) -> list[str]:
    """What a language calls countries and languages, as Babel has it from CLDR; longer names, each once, sorted."""
    try:
        from babel import Locale
    except ImportError:
        raise Problem("the texts of the demo come with Babel: pip install 'neocog[demo]'", USAGE) from None
    locale = Locale.parse(code)
    every = {*locale.territories.values(), *locale.languages.values()}
    return sorted(name for name in every if len(name) > 7 and not any(sign.isdigit() for sign in name))


def write(path: Path, codes: Sequence[str] = tuple(LANGUAGES), most: int = 600) -> int:
    """A table of names and their languages; gives how many rows. What two languages call alike is left out."""
    told = {code: names(code) for code in codes}
    count: dict[str, int] = {}
    for each in told.values():
        for name in each:
            count[name] = count.get(name, 0) + 1
    rows = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("text", "label"))
        for code, each in told.items():
            own = [name for name in each if count[name] == 1]
            for name in own[:: max(1, len(own) // most)][:most]:
                table.writerow((name, LANGUAGES[code]))
                rows += 1
    return rows
