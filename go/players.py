"""Whose moves a policy predicts: those of a server's players, or of a rank among them.

A small head beside the model, `players.safetensors`, adds to the logits what is peculiar to a group of players. It
reads the last maps of the network, which is not changed. A group weighs the channels differently, and has a bias for
each point, the same for points that a symmetry of the board exchanges. (A hidden layer of 48 channels, modulated by the
groups, learned its 34,000 positions too well.) A rank is a group beside that of its server: the effects are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from ..core.condition import Condition
from ..core.model import Model
from ..core.problem import USAGE, Problem, did_you_mean
from ..core.schema import Between
from . import head_file
from .coords import SIZE, place
from .symmetry import table

FILE = "players.safetensors"  # beside model.safetensors


@dataclass(frozen=True)
class PlayersCard:
    """What a head of players is, apart from its weights."""

    trunk: str  # digest of the weights of the layers before the head
    layers: Annotated[int, Between(1, 10_000)]  # of the network before the head
    channels: Annotated[int, Between(1, 4096)]
    groups: list[str]  # "kgs", "kgs-5d": of a server, or of a rank on a server
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    head: str = "players"
    format: int = head_file.FORMAT


class PlayersHead(nn.Module):
    """Maps of the network, (B, C, 19, 19), and groups, float (B, G), to what is added to the logits, (B, 361)."""

    orbits: Tensor

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        orbits = point_orbits()
        self.register_buffer("orbits", orbits, persistent=False)
        self.channels = nn.Linear(groups, channels, bias=False)
        self.places = nn.Linear(groups, int(orbits.max()) + 1, bias=False)
        for layer in (self.channels, self.places):
            nn.init.zeros_(layer.weight)

    def forward(self, maps: Tensor, groups: Tensor) -> Tensor:
        logits = torch.einsum("bcp,bc->bp", maps.flatten(2), self.channels(groups))
        result: Tensor = logits + self.places(groups)[:, self.orbits]
        return result


def point_orbits() -> Tensor:
    """For each point the number of its orbit under the symmetries of the board, int64 (361,)."""
    representatives = torch.from_numpy(table(SIZE)[:, :-1].min(0).astype("int64"))
    orbits: Tensor = representatives.unique(return_inverse=True)[1]
    return orbits


def group_vector(groups: Sequence[str], name: str) -> Tensor:
    """The groups that a name stands for, float (G,): `kgs-5d` is the rank and its server."""
    names = {name, name.split("-")[0]}
    return torch.tensor([float(group in names) for group in groups])


def read_card(path: Path) -> PlayersCard:
    """The card of a head. Raises Problem for another file, or of a newer format."""
    return head_file.read_card(path, PlayersCard, "players")


def load(path: Path, trunk: Mapping[str, Tensor]) -> tuple[PlayersHead, PlayersCard]:
    """A head for the layers with these weights. Raises Problem for a file of others, or a damaged one."""
    card = read_card(path)
    weights = head_file.read_weights(path, card, trunk, len(card.groups) * card.channels)
    head = PlayersHead(card.channels, len(card.groups))
    head_file.put(path, head, weights)
    return head.eval(), card


class NetworkOfPlayers(nn.Module):
    """A network, divided before its last layers, with what is peculiar to some players added to its logits."""

    groups: Tensor
    places: Tensor

    def __init__(self, trunk: nn.Module, rest: nn.Module, head: PlayersHead, groups: Tensor, places: Tensor) -> None:
        super().__init__()
        self.trunk, self.rest, self.head = trunk, rest, head
        self.register_buffer("groups", groups)
        self.register_buffer("places", places)  # of the labels

    def forward(self, x: Tensor) -> Tensor:
        maps = self.trunk(x)
        groups = self.groups.expand(len(maps), -1)
        logits: Tensor = self.rest(maps) + self.head(maps, groups)[:, self.places]
        return logits


def apply(model: Model, path: Path, name: str) -> None:
    """Makes a model, whose file is `path`, predict the moves of the players with a name.

    Raises Problem if the model has no head of players, or that one does not know the name.
    """
    file = path.with_name(FILE)
    if not file.is_file():
        raise Problem(
            f"{path} has no {FILE} beside it, so --like cannot be used with it; the included network, go, has one",
            USAGE,
        )
    card = read_card(file)
    if name not in card.groups:
        hint = did_you_mean(name, card.groups)
        raise Problem(f"--like is {', '.join(card.groups)}{hint}; got {name}", USAGE)
    layers = list(model.words)  # type: ignore[call-overload]
    trunk, rest = nn.Sequential(*layers[: card.layers]), nn.Sequential(*layers[card.layers :])
    head, _ = load(file, trunk.state_dict())
    places = torch.tensor([place(label, SIZE) for label in model.labels])
    network = NetworkOfPlayers(trunk, rest, head, group_vector(card.groups, name), places)
    model.replace_network(network.to(model.device))


CONDITION = Condition(apply)
