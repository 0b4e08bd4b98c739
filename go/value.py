"""The value head: who wins, by how much, and who owns each point, from the trunk of a policy network.

The trunk is the first layers of the network and is not changed, so the policy's predictions stay the same. (Layers in
the middle serve better than the last ones, which only hold what the next move depends on.) The head is a file of its
own beside the model, `value.safetensors`: weights, and a card that names the trunk they belong to.

The lead is the sum of the ownership plus the komi, so a change of komi moves it by as many points. The logit of winning
is the lead times a positive slope plus a bias, both of which the head reads from the position. Everything is relative
to the player to move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.schema import Between
from . import head_file

FILE = "value.safetensors"  # beside model.safetensors
STONES = 2  # maps beside the trunk's: own stones, the opponent's
KOMI_SCALE, LEAD_SCALE = 10.0, 20.0  # points
DEFAULT_KOMI = 6.5  # where training starts for games without a komi


@dataclass(frozen=True)
class ValueCard:
    """What a value head is, apart from its weights."""

    trunk: str  # digest of the trunk's weights
    layers: Annotated[int, Between(1, 10_000)]  # of the network in the trunk
    channels: Annotated[int, Between(1, 4096)]  # of the trunk
    width: Annotated[int, Between(1, 4096)]
    blocks: Annotated[int, Between(0, 100)]
    temperature: Annotated[float, Between(0.01, 100)]  # divides the logit of winning; found on validation games
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    head: str = "value"
    format: int = head_file.FORMAT


class Block(nn.Module):
    """A residual block of two 3×3 convolutions (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class ValueHead(nn.Module):
    """Trunk and stones to the logit of winning (B,), the lead in points (B,) and logits of ownership (B, 361)."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels + STONES, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.owner = nn.Conv2d(width, 1, 1)
        self.default_komi = nn.Parameter(torch.tensor(DEFAULT_KOMI))
        self.hidden = nn.Linear(2 * width + 3, width)
        self.out = nn.Linear(width, 2)

    def forward(self, trunk: Tensor, stones: Tensor, komi: Tensor, is_white: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`trunk` (B, C, 19, 19), `stones` (B, 2, 19, 19), White's `komi` (B,), NaN if unknown, `is_white` (B,)."""
        maps = self.blocks(self.stem(torch.cat([trunk, stones], 1)))
        owner = self.owner(maps).flatten(1)
        known = ~komi.isnan()
        points = torch.where(known, komi.nan_to_num(), self.default_komi) * (2 * is_white - 1)
        lead = (owner / 2).tanh().sum(1) + points
        facts = torch.stack([points / KOMI_SCALE, known.to(points.dtype), lead / LEAD_SCALE], 1)
        features = torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), facts], 1)
        slope, bias = self.out(F.relu(self.hidden(features))).unbind(1)
        return lead / LEAD_SCALE * F.softplus(slope + 2) + bias, lead, owner


# --- the file --------------------------------------------------------------------------------------------------------


def read_card(path: Path) -> ValueCard:
    """The card of a head. Raises Problem for another file, or of a newer format."""
    return head_file.read_card(path, ValueCard, "value")


def load(path: Path, trunk: Mapping[str, Tensor]) -> tuple[ValueHead, ValueCard]:
    """A head for a trunk with these weights. Raises Problem for a file of another trunk, or a damaged one."""
    card = read_card(path)
    size = card.width * (card.channels + 9 * 2 * card.blocks * card.width)
    weights = head_file.read_weights(path, card, trunk, size)
    head = ValueHead(card.channels, card.width, card.blocks)
    head_file.put(path, head, weights)
    return head.eval(), card
