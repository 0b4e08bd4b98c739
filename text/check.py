"""What training would meet in the texts: counts, lengths, scripts, empty rows, duplicates, trouble with encodings."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..core.data import DataSpec
from ..core.sources.doubts import Seen, refusals, report
from ..core.sources.survey import divide, full_bad, in_groups, in_labels, survey
from .build import Texts, alike, fits_labels, rows_of
from .options import options_of
from .sources import TEXTS, origins

LOOKED_AT = 200  # characters of a text by which its script is told


class About(NamedTuple):
    """What is remembered of a text."""

    tokens: int


def check(source: DataSpec) -> dict[str, Any]:
    """A report of every text, each cut into tokens. Raises Problem only where there is nothing to look at."""
    options = options_of(source)
    placed = origins(source, options.reading)
    found = survey(placed, source, TEXTS)
    in_groups(found, placed, source.group_by)
    refused = refusals(lambda: in_labels(found, None, source))
    refused += refusals(lambda: fits_labels(found, source.data))
    texts = rows_of(found, placed, options.cutting, source)
    bad = full_bad(placed, found.bad + texts.rows.bad)
    items = [found.items[at] for at in texts.rows.items]
    parts, rare = divide(items, texts.rows.hashes, source)
    whose = [placed[found.whose[at]].origin for at in texts.rows.items]
    seen = [
        Seen(item, origin.full(item.name), part, digest, About(len(numbers)))
        for item, origin, part, digest, numbers in zip(
            items, whose, parts, texts.rows.hashes, texts.numbers, strict=True
        )
    ]
    own = {
        "lengths": lengths([each.about.tokens for each in seen]),
        "vocabulary": len(texts.interned.tokens),
        "scripts": scripts(texts),
    }
    found.remarks += [each for each in texts.remarks if each not in alike(found)]
    return report(TEXTS, found, seen, bad, rare, own, refused, alike(found))


def lengths(counts: Sequence[int]) -> dict[str, int]:
    """Tokens of the shortest text, the median, the one that is longer than nineteen of twenty, and the longest."""
    ordered = sorted(counts)
    return {
        "shortest": ordered[0],
        "median": ordered[len(ordered) // 2],
        "95%": ordered[int(0.95 * (len(ordered) - 1))],
        "longest": ordered[-1],
    }


def scripts(texts: Texts) -> dict[str, int]:
    """How many texts are written in each script, by most of their letters."""
    script_of = [script(token) for token in texts.interned.tokens]
    found: Counter[str] = Counter()
    for numbers in texts.numbers:
        letters = Counter(name for number in numbers[:LOOKED_AT].tolist() if (name := script_of[number]))
        found[letters.most_common(1)[0][0] if letters else "none"] += 1
    return dict(found.most_common())


def script(token: str) -> str:
    """The script of a token's first letter: Latin, Cyrillic, CJK; "" where it has none."""
    letter = next((sign for sign in token if sign.isalpha()), "")
    name = unicodedata.name(letter, "") if letter else ""
    return name.partition(" ")[0].capitalize() if name and not name.startswith("CJK") else "CJK" if name else ""
