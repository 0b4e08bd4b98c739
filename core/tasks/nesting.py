"""Heads whose labels lie within those of another head, such as kinds of apples within fruit: probabilities that agree.

Two heads that learn alone may contradict each other. Here the coarse probabilities become the geometric mean of those
of the coarse head and of the sums of the fine head's, and the fine ones their shares of these: a logarithmic opinion
pool (Genest and Zidek 1986). Afterwards each coarse probability is the sum of its fine ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

FEWEST_TIMES = 2.0  # examples of a fine label, in the mean, from which its only coarse label is no accident
SMALLEST = 1e-9  # probability


class Nesting(NamedTuple):
    """A fine and a coarse head, and the coarse label of each fine one."""

    fine: str
    coarse: str
    parents: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"fine": self.fine, "coarse": self.coarse, "parents": list(self.parents)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], sizes: Mapping[str, int]) -> Nesting:
        """Raises TypeError unless the heads, of so many labels, can be nested so."""
        nesting = cls(str(values.get("fine")), str(values.get("coarse")), tuple(values.get("parents", ())))
        fine, coarse = sizes.get(nesting.fine, 0), sizes.get(nesting.coarse, 0)
        known = all(type(parent) is int and 0 <= parent < coarse for parent in nesting.parents)
        if nesting.fine == nesting.coarse or not fine or len(nesting.parents) != fine or not known:
            raise TypeError("its nested heads are damaged")
        return nesting


def parents_of(pairs: Sequence[tuple[str, str]], fine: Sequence[str], coarse: Sequence[str]) -> tuple[int, ...] | None:
    """The coarse label of each fine one, from the pairs that examples have; None unless each has exactly one."""
    parents = dict(pairs)
    is_function = all(parents[label] == parent for label, parent in pairs)
    enough = len(pairs) >= FEWEST_TIMES * len(fine) and 1 < len(coarse) < len(fine)
    if not (enough and is_function and parents.keys() >= set(fine) and set(parents.values()) >= set(coarse)):
        return None
    index = {label: number for number, label in enumerate(coarse)}
    return tuple(index[parents[label]] for label in fine)


def pooled(fine: Tensor, coarse: Tensor, parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    """(B, F) and (B, C) logits -> logits whose softmaxes agree."""
    parent = torch.tensor(parents, device=fine.device)
    members = torch.nn.functional.one_hot(parent, coarse.shape[1]).to(fine)  # (F, C)
    fine, coarse = fine.log_softmax(1), coarse.log_softmax(1)
    sums = (fine.exp() @ members).clamp_min(SMALLEST).log()
    together = (sums + coarse) / 2
    return fine + (together - sums)[:, parent], together
