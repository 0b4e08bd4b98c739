"""A trained model by its file or its name: card and weights, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from . import checkpoint
from .checkpoint import Card

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ModelSource:
    """A model that a text names; reading it raises Problem if it is damaged or not installed."""

    name: str  # a path, or the name of a model that a package carries
    named: Callable[[], tuple[Card, dict[str, Tensor]]] | None = None  # reads the model of that name

    @property
    def path(self) -> Path:
        return Path(self.name)

    @property
    def text(self) -> str:
        """What names it in any folder."""
        return self.name if self.named else str(self.path.absolute())

    @property
    def is_model(self) -> bool:
        """Whether it has a card; weights files of other libraries have none."""
        return self.named is not None or checkpoint.is_model(self.path)

    @cached_property
    def card(self) -> Card:
        return self._named[0] if self.named else checkpoint.card(self.path)

    def weights(self) -> dict[str, Tensor]:
        return self._named[1] if self.named else checkpoint.read_tensors(self.path)

    @cached_property
    def _named(self) -> tuple[Card, dict[str, Tensor]]:
        assert self.named is not None, "a model in a file"
        return self.named()
