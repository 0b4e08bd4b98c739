"""Augmentation in words, "flip, crop(4), rotate(10)", as functions with their numbers filled in; for all domains."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .network import call
from .problem import USAGE, Problem, did_you_mean

Change = Callable[..., Any]  # of a batch and its randomness; what has a default is a number that may be typed
Range = tuple[float, float]


@dataclass(frozen=True)
class Vocabulary:
    """The ways to augment that a domain knows, and from where to where their numbers go."""

    words: Mapping[str, Change]
    example: str  # "flip, crop(4)"
    ranges: Mapping[str, Range] = field(default_factory=dict)  # where they differ from `range`
    range: Range = (0, 1)

    def read(self, text: str) -> dict[str, Change]:
        """The words in `text` by name, each with its numbers filled in; no words for "none".

        Raises Problem for an unknown word, an unknown or impossible number, and a word written twice.
        """
        if text.strip() == "none":
            return {}
        parts = parts_of(text)
        if not parts:
            raise Problem(f"the augmentation is empty; write none, or words such as: {self.example}", USAGE)
        found: dict[str, Change] = {}
        for part in parts:
            name, given, named = call(part, self.words, "way to augment")
            if name in found:
                raise Problem(f"{text}: {name} stands there twice; write it once", USAGE)
            found[name] = self.filled(part, name, given, named)
        return found

    def filled(self, part: str, name: str, given: Sequence[Any], named: Mapping[str, Any]) -> Change:
        """A word with its numbers, checked: a default that is whole asks for a whole number."""
        word = self.words[name]
        numbers = [each for each in inspect.signature(word).parameters.values() if each.default is not each.empty]
        takes = f"{name} takes {' and '.join(each.name for each in numbers) or 'no numbers'}"
        for unknown in sorted(set(named) - {each.name for each in numbers})[:1]:
            close = did_you_mean(unknown, [each.name for each in numbers])
            raise Problem(f"{part}: {unknown} is unknown{close}; {takes}", USAGE)
        try:
            values = inspect.Signature(numbers).bind(*given, **named).arguments
        except TypeError as error:
            raise Problem(f"{part}: {error}; {takes}", USAGE) from None
        for each in numbers:
            self.check(name, each.name, values.get(each.name, each.default), type(each.default))
        return partial(word, **values)

    def check(self, word: str, name: str, value: Any, kind: type) -> None:
        least, most = self.ranges.get(word, self.range)
        good = type(value) is int or (kind is float and type(value) is float)
        if not (good and least <= value <= most):
            number = "a whole number" if kind is int else "a number"
            raise Problem(f"{word}: {name} is {number} from {least:g} to {most:g}; got {value}", USAGE)


def parts_of(text: str) -> list[str]:
    """The words with their brackets: divided at commas outside brackets."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]
