"""Files of heads, which lie beside the model of a policy and stand on its first layers: weights, and a card.

The card is JSON in the header of a safetensors file. It names the layers that a head belongs to by a digest of their
weights, so that a head is never used with another network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from ..core import checkpoint, schema
from ..core.problem import DATA, Problem

FORMAT = 1
KEY = "neocog-head"


class HeadCard(Protocol):
    """What every card of a head has."""

    @property
    def trunk(self) -> str:
        """The digest of the weights of the layers."""

    @property
    def format(self) -> int: ...


Card = TypeVar("Card", bound=HeadCard)


def digest(trunk: Mapping[str, Tensor]) -> str:
    """A digest of the weights of a trunk in half precision, by the names and order of its state."""
    content = hashlib.blake2b(digest_size=16)
    for name, weight in trunk.items():
        content.update(name.encode() + weight.detach().cpu().half().contiguous().numpy().tobytes())
    return content.hexdigest()


def save(path: Path, head: nn.Module, card: Any) -> None:
    """Writes a head in half precision."""
    half = {name: value.half() if value.is_floating_point() else value for name, value in head.state_dict().items()}
    checkpoint.write_tensors(path, half, {KEY: json.dumps(asdict(card))})


def read_card(path: Path, kind: type[Card], head: str) -> Card:
    """The card of a head. Raises Problem for another file, for another kind of head, or for a newer format."""
    metadata = checkpoint.header(path)
    try:
        values = json.loads(metadata[KEY])
        if values.get("head", head) != head:
            raise KeyError(KEY)
        card = schema.read(kind, values)
    except KeyError:
        raise Problem(f"{path} holds no {head} head; expected that of a model of Go", DATA) from None
    except (ValueError, RecursionError, AttributeError) as error:
        raise Problem(f"the card of {path} cannot be read ({error}); copy the file again", DATA) from None
    if card.format > FORMAT:
        raise Problem(
            f"{path} has format {card.format}, this neocog reads up to {FORMAT}; pip install --upgrade neocog", DATA
        )
    return card


def read_weights(path: Path, card: HeadCard, trunk: Mapping[str, Tensor], least: int) -> dict[str, Tensor]:
    """The weights of a head for a trunk with these weights, at least so many numbers, in float32.

    Raises Problem for a head of another trunk, and for a file with too few numbers for its card.
    """
    if card.trunk != digest(trunk):
        raise Problem(f"{path} was trained on another network; train it again, or delete the file", DATA)
    weights = checkpoint.read_tensors(path)
    if least > sum(weight.numel() for weight in weights.values()):
        raise Problem(f"the weights in {path} do not belong to its card: there are too few", DATA)
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def put(path: Path, head: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies weights into a head. Raises Problem if they are not its own."""
    try:
        head.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise Problem(f"the weights in {path} do not belong to its card: {reason}", DATA) from None
