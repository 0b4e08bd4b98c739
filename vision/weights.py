"""Weights from elsewhere: a torchvision state dict, or EfficientNet's, into a recipe's network."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.problem import DATA, Problem

AUXILIARY = "aux"  # how the keys of GoogLeNet's auxiliary heads begin, which our recipe leaves out
NOT_ONE = "is damaged or holds no state dict, names with tensors and nothing else; save model.state_dict()"
KINDS = ("conv", "bn")  # a norm follows the convolution of its number
# EfficientNet's names, in the network and within a block, in the order in which they run.
EFFICIENTNET = (
    *("_conv_stem", "_expand_conv", "_bn0", "_blocks", "_conv_head", "_depthwise_conv", "_bn1", "_project_conv"),
    *("_bn2", "_fc"),
)
ORDER = {"conv": 0, "bn": 0, "downsample": 2, "classifier": 3, "fc": 3}  # every other name is 1: features, layer1, …

State = Mapping[str, Tensor]
Tensors = dict[str, Tensor]  # of one layer, by its own names: weight, bias, running_mean, …


def weights(module: nn.Module, file: Path) -> list[str]:
    """Copy the weights in `file`, a torchvision state dict as .pth or .safetensors, into `module`, a recipe's network.

    Layers are matched in order, and within a layer names and shapes must agree. Where only the last layer has another
    number of outputs it is left as it is; the sentences that come back say so. Nothing is changed if anything else
    differs: that raises Problem, with the first key that does not match.
    """
    theirs = layers({key: value for key, value in state(file).items() if not key.startswith(AUXILIARY)}, file)
    ours = _grouped(module.state_dict())  # tensors that share memory with the module's
    pairs = list(zip(theirs.items(), ours.items(), strict=False))
    remarks = []
    if pairs and _other_outputs(pairs[-1][0][1], pairs[-1][1][1]) and len(theirs) == len(ours):
        (name, given), (_, wanted) = pairs.pop()
        has, had = len(wanted["weight"]), len(given["weight"])
        remarks.append(
            f"{file}: {name} has {had:,} outputs, this network {has:,}; its last layer starts untrained, "
            "all others have the file's weights"
        )
    for (name, given), (_, wanted) in pairs:
        _check(name, given, wanted, file)
    _check_count(list(theirs), list(ours), file)
    for (_, given), (_, wanted) in pairs:
        for name, value in given.items():
            wanted[name].copy_(value)
    return remarks


def state(file: Path) -> State:
    """The tensors in a file by their names; on disk until they are copied, where the format allows it."""
    try:
        found = _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)
    except FileNotFoundError:
        raise Problem(f"{file} does not exist; expected a torchvision state dict, .pth or .safetensors", DATA) from None
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror or error}", DATA) from None
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise Problem(f"{file} {NOT_ONE}", DATA)
    return found


def _pickled(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError):
        raise Problem(f"{file} {NOT_ONE}", DATA) from None


def _safetensors(file: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError:
        raise Problem(f"{file} {NOT_ONE}", DATA) from None


def layers(state: State, file: Path) -> dict[str, Tensors]:
    """A torchvision state dict as layers in the order they run.

    The order is read from the names. A safetensors file is sorted by its own rules, and old .pth files hold a norm's
    running_mean, running_var, weight and bias, all of one shape, in another order than new ones.
    """
    groups = _grouped(state)
    if not groups:
        raise Problem(f"{file} holds no weights", DATA)
    return dict(sorted(groups.items(), key=lambda item: _place(item[0])))


def _grouped(state: State) -> dict[str, Tensors]:
    groups: dict[str, Tensors] = {}
    for key, value in state.items():
        layer, _, name = key.rpartition(".")
        groups.setdefault(layer, {})[name] = value
    return groups


def _place(layer: str) -> tuple[tuple[int, int, int, str], ...]:
    """Where a torchvision name stands: conv1, bn1, conv2, …, layer1.0.conv1, …, layer1.0.downsample.0, …, fc."""
    return tuple(_part(part) for part in layer.split("."))


def _part(part: str) -> tuple[int, int, int, str]:
    if part in EFFICIENTNET:
        return 0, EFFICIENTNET.index(part), 0, ""
    word, digits, letter = re.fullmatch(r"(.*?)(\d*)([a-z]?)", part).groups()  # type: ignore[union-attr]
    if not digits:
        word, letter = part, ""
    return ORDER.get(word, 1), int(digits or 0), KINDS.index(word) if word in KINDS else 0, letter


def _other_outputs(given: Tensors, wanted: Tensors) -> bool:
    """Whether two dense layers differ in their number of outputs and in nothing else."""
    a, b = given.get("weight"), wanted.get("weight")
    if a is None or b is None or a.dim() != 2 or b.dim() != 2 or given.keys() != wanted.keys():
        return False
    return a.shape[0] != b.shape[0] and a.shape[1] == b.shape[1]


def _check(layer: str, given: Tensors, wanted: Tensors, file: Path) -> None:
    for name, value in given.items():
        if name not in wanted:
            raise Problem(f"{file}: {layer}.{name} {_size(value)} has no place: {_takes(wanted)}", DATA)
        if value.shape != wanted[name].shape:
            raise Problem(
                f"{file}: {layer}.{name} is {_size(value)}, but the network's layer there takes "
                f"{_size(wanted[name])}; take the file of this recipe, and pictures of its size and colour",
                DATA,
            )
    for name in _needed(wanted) - given.keys():
        raise Problem(f"{file}: {layer} has no {name}: {_takes(wanted)}", DATA)


def _needed(wanted: Tensors) -> set[str]:
    return wanted.keys() - {"num_batches_tracked"}  # files from before torch 0.4.1 do not count batches


def _takes(wanted: Tensors) -> str:
    sizes = ", ".join(f"{name} {_size(value)}" for name, value in wanted.items())
    return f"the network's layer there takes {sizes}; take the file of this recipe"


def _size(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "1 number"


def _check_count(theirs: list[str], ours: list[str], file: Path) -> None:
    if len(theirs) != len(ours):
        over = f", of which {theirs[len(ours)]} is the first too many" if len(theirs) > len(ours) else ""
        counts = f"{len(theirs):,} layers with weights{over}; the network has {len(ours):,}"
        raise Problem(f"{file} has {counts}; take the file of this recipe", DATA)
