"""The model file: weights, and in the header a card that describes them.

The format is safetensors; the card is JSON under the key `neocog` of its metadata. Nothing is ever unpickled, and
reading the card needs no torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from . import files, schema
from .problem import DATA, USAGE, Problem, did_you_mean, shortened
from .schema import Entries, in_range

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 2  # raised when an older neocog would misread a newer file
FORMAT_1_NAMES = {"facts": "preprocessing", "scores": "metrics"}  # what format 1 called these fields of the card
KEY = "neocog"
_HEADER_LIMIT = 100_000_000  # bytes, as safetensors itself allows


class CardSettings(TypedDict):
    """Settings of training on a card that a model depends on."""

    augment: NotRequired[str]


class CardData(TypedDict):
    """Entries of a card that say how the data were divided, so that they are divided so again."""

    group_by: NotRequired[str | None]
    fold_by: NotRequired[str | None]
    test_share: NotRequired[Annotated[float, in_range("test_share")]]
    valid_share: NotRequired[Annotated[float, in_range("valid_share")] | None]
    split: NotRequired[Annotated[int, in_range("split")]]
    fold: NotRequired[str | None]
    targets: NotRequired[dict[str, Any]]


@dataclass(frozen=True)
class Card:
    """What a model is, apart from its weights."""

    domain: str
    network: str  # its text
    input: tuple[int, int, int]  # channels, height, width; Network bounds them
    labels: list[str]
    preprocessing: dict[str, Any]  # of the domain: what `read` and the frontend depend on
    task: str = "classify"  # a name of core/tasks
    task_state: dict[str, Any] = field(default_factory=dict)  # thresholds, scales: what the task found in training
    recipe: str | None = None
    settings: Annotated[dict[str, Any], Entries(CardSettings)] = field(default_factory=dict)
    data: Annotated[dict[str, Any], Entries(CardData)] = field(
        default_factory=dict
    )  # how many examples, how divided, and their fingerprint
    training: dict[str, Any] = field(default_factory=dict)  # on what, how long, on what device
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def find(model: str, names: Iterable[str] = ()) -> Path:
    """The model file for a path: the file itself, or the one in a run folder. Raises Problem if there is none.

    `names` are those of models that are no files, for a suggestion.
    """
    path = Path(model)
    if os.path.isdir(path):
        if os.path.isfile(path / "model.safetensors"):
            return path / "model.safetensors"
        raise Problem(
            f"{model} has no model.safetensors in it; expected a model file or a finished run's folder", USAGE
        )
    if not os.path.exists(path):  # unlike Path.exists, False for any text that is too long for a path
        folder = "" if path.parent == Path() else f"{path.parent}/"
        close = did_you_mean(path.name, files.names_in(path.parent), folder) or did_you_mean(model, names)
        raise Problem(f"{shortened(model, 300)} does not exist{close}; expected a model file or a run's folder", USAGE)
    return path


def header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, checked to be whole. Raises Problem."""
    files.require_file(path, "a model.safetensors that neocog train wrote")
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            size = int.from_bytes(start, "little")
            if size > _HEADER_LIMIT and (start[:4] == b"PK\x03\x04" or start[:1] == b"\x80"):
                raise Problem(
                    f"{path} is a pickled PyTorch file, which can run code when it is opened; "
                    "neocog reads model.safetensors files, or takes weights from it: train --weights FILE",
                    DATA,
                )
            if len(start) < 8 or not 2 <= size <= _HEADER_LIMIT:
                raise _not_a_model(path)
            raw = file.read(size)
            if len(raw) < size:
                raise _cut_short(path)
            entries = json.loads(raw)
            ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
            if path.stat().st_size < 8 + size + max(ends, default=0):
                raise _cut_short(path)
            metadata = dict(entries.get("__metadata__", {}))
            if not all(isinstance(value, str) for value in metadata.values()):
                raise _not_a_model(path)
            return metadata
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", DATA) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _not_a_model(path) from None


def _not_a_model(path: Path) -> Problem:
    return Problem(f"{path} is not a model file; expected a model.safetensors that neocog train wrote", DATA)


def _cut_short(path: Path) -> Problem:
    return Problem(f"{path} is cut short: it ends before its weights do; copy or download it again", DATA)


def card(path: Path) -> Card:
    """The card of a model file. Raises Problem for a file that is not one, or of a newer format."""
    metadata = header(path)
    if KEY not in metadata:
        raise Problem(
            f"{path} holds weights but no neocog card; expected a model.safetensors that neocog train wrote", DATA
        )
    try:
        values = json.loads(metadata[KEY])
        if (version := int(values["format"])) > FORMAT:
            raise Problem(
                f"{path} has format {version}, this neocog reads up to {FORMAT}; pip install --upgrade neocog", DATA
            )
        if version == 1:
            values = {FORMAT_1_NAMES.get(name, name): value for name, value in values.items()} | {"task": "classify"}
        card = schema.read(Card, values)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        reason = f" ({error})" if isinstance(error, schema.Mismatch) else ""
        raise Problem(
            f"the card of {path} cannot be read{reason}; the file was not written by neocog or is damaged", DATA
        ) from None
    channels, height, width = card.input
    return replace(card, input=(channels, height, width))


def is_model(path: Path) -> bool:
    """Whether a file is a model of neocog; weights files of other libraries have no card."""
    try:
        return KEY in header(path)
    except Problem:
        return False


def save(path: Path, weights: dict[str, Tensor], card: Card) -> None:
    """Write a model file in one step."""
    write_tensors(path, weights, {KEY: json.dumps(vars(card))})


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors.torch import save as to_bytes
    from safetensors.torch import save_file

    arrays = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if is_utf8(path):
        files.write(path, lambda temporary: save_file(arrays, temporary, metadata))
    else:
        files.write(path, lambda temporary: temporary.write_bytes(to_bytes(arrays, metadata)))


def is_utf8(path: Path) -> bool:
    """Whether safetensors can open a path; the bytes of one that is not UTF-8 are read and written here."""
    return str(path).isascii() or os.fsencode(path).decode("utf-8", "ignore") == str(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises Problem where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load as of_bytes
    from safetensors.torch import load_file

    try:
        return load_file(path) if is_utf8(path) else of_bytes(path.read_bytes())
    except SafetensorError as error:
        raise Problem(f"{path} is damaged: {error}; copy or download it again", DATA) from None
