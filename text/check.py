"""The report of a check of texts: counts, lengths, scripts, empty rows, duplicates, encoding issues."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..core.data import DataSpec
from ..core.sources.check import CheckedData, checked_samples, label_refusals, refusal, report
from ..core.sources.manifest import assign_groups, display_bad, scan
from .build import Texts, cut_texts, require_label_column
from .options import options_of
from .sources import TEXTS, open_sources

EXAMINED = 200  # tokens of a text that decide its script


def check(spec: DataSpec) -> dict[str, Any]:
    """A report of every text, each cut into tokens. Raises Problem only if there is nothing to report on."""
    options = options_of(spec)
    sources = open_sources(spec, options.reading)
    manifest = scan(sources, spec, TEXTS)
    assign_groups(manifest)
    refusals = label_refusals(manifest)
    refusals += refusal(lambda: require_label_column(manifest))
    texts = cut_texts(manifest, options.cutting)
    counts = [len(numbers) for numbers in texts.numbers]
    samples, rare = checked_samples(manifest, texts.samples.indices, texts.samples.digests, counts)
    facts = {
        "lengths": lengths(counts),
        "vocabulary": len(texts.interned.tokens),
        "scripts": scripts(texts),
    }
    manifest.remarks += texts.remarks
    bad = display_bad(sources, manifest.bad + texts.samples.bad)
    return report(manifest, CheckedData(samples, bad, rare), facts, refusals)


def lengths(counts: Sequence[int]) -> dict[str, int]:
    """Tokens of the shortest text, the median, the 95th percentile and the longest."""
    ordered = sorted(counts)
    return {
        "shortest": ordered[0],
        "median": ordered[len(ordered) // 2],
        "95%": ordered[int(0.95 * (len(ordered) - 1))],
        "longest": ordered[-1],
    }


def scripts(texts: Texts) -> dict[str, int]:
    """The number of texts in each script, by most of their letters."""
    script_of = [script(token) for token in texts.interned.tokens]
    counts: Counter[str] = Counter()
    for numbers in texts.numbers:
        letters = Counter(name for number in numbers[:EXAMINED].tolist() if (name := script_of[number]))
        counts[letters.most_common(1)[0][0] if letters else "none"] += 1
    return dict(counts.most_common())


def script(token: str) -> str:
    """The script of the first letter of a token: Latin, Cyrillic, CJK; "" if it has none."""
    letter = next((character for character in token if character.isalpha()), "")
    name = unicodedata.name(letter, "") if letter else ""
    return name.partition(" ")[0].capitalize() if name and not name.startswith("CJK") else "CJK" if name else ""
