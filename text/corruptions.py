"""How texts go wrong: typing errors, lost tokens, tokens out of order, words never seen; in five strengths each.

All are tensor expressions over ids. A misspelt word is looked up again as `read` would look it up: mostly it is none
that training has seen. Misspellings of all words are looked up once, then each is one index away.
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
SHORTEST = 4  # letters of a word that is misspelt: the first and the last one stay (Pruthi et al. 2019, section 3)
VARIANTS = 3  # misspellings of each word


def corruptions(preprocessing: Preprocessing, extras: Mapping[str, Tensor]) -> Mapping[str, Corruption]:
    """For words all of them; among characters and bytes a typing error is two of them out of order."""
    kind = str(preprocessing["tokens"])
    unit = f"of the {kind}"
    common = {
        "lost": Corruption(lost, SHARES, unit),
        "order": Corruption(_ordered, SHARES, unit),
        "unknown": Corruption(_hidden, SHARES, unit),
    }
    if kind != "words":
        return common
    return {"typos": Corruption(partial(typos, misspellings(preprocessing["vocabulary"])), SHARES, unit), **common}


def misspellings(tokens: Sequence[str]) -> Tensor:
    """The ids of the misspellings of every id, (ids, VARIANTS) int32: two neighbouring inner letters change places."""
    vocabulary = Vocabulary(tokens)
    own = np.arange(len(vocabulary), dtype=np.int32)
    columns = [own.copy() for _ in range(VARIANTS)]
    for k, column in enumerate(columns):
        column[FIRST:] = vocabulary.ids(misspelt(word, k) for word in tokens)
    return torch.from_numpy(np.stack(columns, 1))


def misspelt(word: str, k: int) -> str:
    """The k-th misspelling of a word; itself where it is too short to have one, or no word of letters."""
    if len(word) < SHORTEST or not word.isalpha():
        return word
    at = 1 + k * (len(word) - SHORTEST + 1) // VARIANTS
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def typos(table: Tensor, ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Each word is misspelt with this chance, where it is long enough."""
    chance = torch.rand(ids.shape, device=ids.device, generator=rng) < share
    which = torch.randint(0, VARIANTS, ids.shape, device=ids.device, generator=rng)
    return torch.where(chance, table.to(ids.device)[ids.long(), which], ids)


def lost(ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Each token is left out with this chance, and the rest move together; the last one of a text stays."""
    gone = (torch.rand(ids.shape, device=ids.device, generator=rng) < share) & (ids != PADDING)
    left = ((ids != PADDING) & ~gone).any(-1, keepdim=True)
    gone &= left
    order = gone.to(torch.uint8).argsort(dim=-1, stable=True)
    kept = torch.where(gone, PADDING, ids)
    return kept.gather(-1, order)


def _ordered(ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Each token changes places with the next one with this chance."""
    return swap(ids, rng, share)


def _hidden(ids: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Each token is, with this chance, one that training has never seen."""
    return drop(ids, rng, share)
