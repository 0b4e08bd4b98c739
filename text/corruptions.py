"""Common corruptions of texts: misspellings, lost, swapped and unknown tokens, in five strengths each.

All are tensor expressions over ids. A misspelt word has the id that `read` would give it, usually that of an unknown
token; the ids of all misspellings are computed in advance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..core.data import Preprocessing
from ..core.robust.capability import Corruption
from .augment import drop, swap
from .vocabulary import FIRST, PADDING, Vocabulary

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
MIN_LETTERS = 4  # of a misspelt word: the first and the last letter are kept (Pruthi et al. 2019, section 3)
VARIANTS = 3  # misspellings of each word


def corruptions(preprocessing: Preprocessing, extras: Mapping[str, Tensor]) -> Mapping[str, Corruption]:
    """Returns the corruptions by name; `typos` exists for words only, since for characters it equals `order`."""
    kind = str(preprocessing["tokens"])
    unit = f"of the {kind}"
    common = {
        "lost": Corruption(remove, SHARES, unit),
        "order": Corruption(_swap, SHARES, unit),
        "unknown": Corruption(_drop, SHARES, unit),
    }
    if kind != "words":
        return common
    return {"typos": Corruption(partial(typos, misspellings(preprocessing["vocabulary"])), SHARES, unit), **common}


def misspellings(tokens: Sequence[str]) -> Tensor:
    """Returns the ids of the misspellings of every id: (ids, VARIANTS) int32."""
    vocabulary = Vocabulary(tokens)
    ids = np.arange(len(vocabulary), dtype=np.int32)
    columns = [ids.copy() for _ in range(VARIANTS)]
    for k, column in enumerate(columns):
        column[FIRST:] = vocabulary.ids(misspell(word, k) for word in tokens)
    return torch.from_numpy(np.stack(columns, 1))


def misspell(word: str, k: int) -> str:
    """Swaps two neighbouring inner letters, k from 0 to VARIANTS − 1; words too short or not of letters are kept."""
    if len(word) < MIN_LETTERS or not word.isalpha():
        return word
    i = 1 + k * (len(word) - MIN_LETTERS + 1) // VARIANTS
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def typos(table: Tensor, ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Misspells each word with probability `share`; `table` has the ids of misspellings."""
    selected = torch.rand(ids.shape, device=ids.device, generator=rng) < share
    variant = torch.randint(0, VARIANTS, ids.shape, device=ids.device, generator=rng)
    return torch.where(selected, table.to(ids.device)[ids.long(), variant], ids)


def remove(ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Removes each token with probability `share`, closing the gaps; a text that would become empty is kept."""
    removed = (torch.rand(ids.shape, device=ids.device, generator=rng) < share) & (ids != PADDING)
    removed &= ((ids != PADDING) & ~removed).any(-1, keepdim=True)
    order = removed.to(torch.uint8).argsort(dim=-1, stable=True)
    return torch.where(removed, PADDING, ids).gather(-1, order)


def _swap(ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Swaps each token with the next one with probability `share`."""
    return swap(ids, rng, share)


def _drop(ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Replaces each token by the unknown one with probability `share`."""
    return drop(ids, rng, share)
