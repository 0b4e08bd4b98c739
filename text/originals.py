"""Texts as their authors wrote them, kept beside the ids of their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

LONGEST = 2000  # characters of a text that are kept
CONTENT, ENDS = "originals", "original_ends"  # names of the arrays


class Originals(Sequence[str]):
    """The first LONGEST characters of each text: one array of UTF-8 bytes, decoded on access."""

    def __init__(self, content: NDArray[Any], ends: NDArray[Any], indices: range | None = None) -> None:
        self.content, self.ends = content, ends
        self.indices = range(len(ends)) if indices is None else indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Originals: ...

    def __getitem__(self, index: int | slice) -> str | Originals:
        if isinstance(index, slice):
            return Originals(self.content, self.ends, self.indices[index])
        row = self.indices[index]
        start = int(self.ends[row - 1]) if row else 0
        return bytes(self.content[start : int(self.ends[row])]).decode("utf-8")


def excerpt(text: str) -> bytes:
    """The part of a text that is kept."""
    return (text if len(text) <= LONGEST else text[: LONGEST - 1] + "…").encode("utf-8")


def save(folder: Path, texts: Iterable[bytes]) -> None:
    """Writes the arrays of texts to the folder of a cache."""
    encoded = list(texts)
    np.save(folder / f"{CONTENT}.npy", np.frombuffer(b"".join(encoded), np.uint8))
    np.save(folder / f"{ENDS}.npy", np.cumsum([len(text) for text in encoded], dtype=np.int64))
