"""Loading of published weights: a state dict of torchvision or of EfficientNet-Lite into a recipe's network."""

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

AUXILIARY = "aux"  # prefix of GoogLeNet's auxiliary heads, which the recipe leaves out
NOT_A_STATE_DICT = "is damaged or holds no state dict, names with tensors and nothing else; save model.state_dict()"
SUFFIX_ORDER = ("conv", "bn")  # a norm follows the convolution of its number
# EfficientNet's names, in the network and within a block, in execution order.
EFFICIENTNET = (
    *("_conv_stem", "_expand_conv", "_bn0", "_blocks", "_conv_head", "_depthwise_conv", "_bn1", "_project_conv"),
    *("_bn2", "_fc"),
)
ORDER = {"conv": 0, "bn": 0, "downsample": 2, "classifier": 3, "fc": 3}  # 1 for all others: features, layer1, …

State = Mapping[str, Tensor]
Tensors = dict[str, Tensor]  # of one layer, by name: weight, bias, running_mean, …


def load_weights(module: nn.Module, file: Path) -> list[str]:
    """Copies the weights in `file`, a torchvision state dict (.pth or .safetensors), into a recipe's network.

    Layers are matched in order; within a layer, names and shapes must agree. If only the number of outputs of the last
    layer differs, that layer is left unchanged and a remark is returned. Raises Problem for any other difference,
    naming the first key that does not match; nothing is copied then.
    """
    source_layers = layers_in_order(
        {key: value for key, value in load_state(file).items() if not key.startswith(AUXILIARY)}, file
    )
    target_layers = group_by_layer(module.state_dict())  # tensors that share memory with the module's
    pairs = list(zip(source_layers.items(), target_layers.items(), strict=False))
    remarks = []
    if pairs and differs_in_outputs(pairs[-1][0][1], pairs[-1][1][1]) and len(source_layers) == len(target_layers):
        (name, source), (_, target) = pairs.pop()
        remarks.append(
            f"{file}: {name} has {len(source['weight']):,} outputs, this network {len(target['weight']):,}; "
            "its last layer starts untrained, all others have the file's weights"
        )
    for (name, source), (_, target) in pairs:
        check_layer(name, source, target, file)
    check_count(list(source_layers), list(target_layers), file)
    for (_, source), (_, target) in pairs:
        for name, value in source.items():
            target[name].copy_(value)
    return remarks


def load_state(file: Path) -> State:
    """Returns the tensors in a file by name, memory-mapped if possible. Raises Problem if it holds no state dict."""
    try:
        state = _load_safetensors(file) if file.suffix == ".safetensors" else _load_pickled(file)
    except FileNotFoundError:
        raise Problem(f"{file} does not exist; expected a torchvision state dict, .pth or .safetensors", DATA) from None
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror or error}", DATA) from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise Problem(f"{file} {NOT_A_STATE_DICT}", DATA)
    return state


def _load_pickled(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError):
        raise Problem(f"{file} {NOT_A_STATE_DICT}", DATA) from None


def _load_safetensors(file: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError:
        raise Problem(f"{file} {NOT_A_STATE_DICT}", DATA) from None


def layers_in_order(state: State, file: Path) -> dict[str, Tensors]:
    """Groups a torchvision state dict by layer, in execution order. Raises Problem if it is empty.

    The order is read from the names: safetensors sorts its keys, and old .pth files hold the tensors of a norm, all of
    one shape, in another order than new ones.
    """
    groups = group_by_layer(state)
    if not groups:
        raise Problem(f"{file} holds no weights", DATA)
    return dict(sorted(groups.items(), key=lambda item: sort_key(item[0])))


def group_by_layer(state: State) -> dict[str, Tensors]:
    """Groups tensors by the part of their name before the last dot."""
    groups: dict[str, Tensors] = {}
    for key, value in state.items():
        layer, _, name = key.rpartition(".")
        groups.setdefault(layer, {})[name] = value
    return groups


def sort_key(layer: str) -> tuple[tuple[int, int, int, str], ...]:
    """Returns the position of a layer: conv1, bn1, conv2, …, layer1.0.conv1, …, layer1.0.downsample.0, …, fc."""
    return tuple(part_key(part) for part in layer.split("."))


def part_key(part: str) -> tuple[int, int, int, str]:
    if part in EFFICIENTNET:
        return 0, EFFICIENTNET.index(part), 0, ""
    name, digits, letter = re.fullmatch(r"(.*?)(\d*)([a-z]?)", part).groups()  # type: ignore[union-attr]
    if not digits:
        name, letter = part, ""
    return ORDER.get(name, 1), int(digits or 0), SUFFIX_ORDER.index(name) if name in SUFFIX_ORDER else 0, letter


def differs_in_outputs(source: Tensors, target: Tensors) -> bool:
    """Returns True if two dense layers differ in their number of outputs and in nothing else."""
    a, b = source.get("weight"), target.get("weight")
    if a is None or b is None or a.dim() != 2 or b.dim() != 2 or source.keys() != target.keys():
        return False
    return a.shape[0] != b.shape[0] and a.shape[1] == b.shape[1]


def check_layer(layer: str, source: Tensors, target: Tensors, file: Path) -> None:
    """Raises Problem unless names and shapes agree."""
    for name, value in source.items():
        if name not in target:
            raise Problem(f"{file}: {layer}.{name} {size_text(value)} does not fit: {expected_text(target)}", DATA)
        if value.shape != target[name].shape:
            raise Problem(
                f"{file}: {layer}.{name} is {size_text(value)}, but the network's layer takes "
                f"{size_text(target[name])}; use the file of this recipe, and pictures of its size and colour",
                DATA,
            )
    for name in required_names(target) - source.keys():
        raise Problem(f"{file}: {layer} has no {name}: {expected_text(target)}", DATA)


def required_names(target: Tensors) -> set[str]:
    return target.keys() - {"num_batches_tracked"}  # files from before torch 0.4.1 do not count batches


def expected_text(target: Tensors) -> str:
    sizes = ", ".join(f"{name} {size_text(value)}" for name, value in target.items())
    return f"the network's layer takes {sizes}; use the file of this recipe"


def size_text(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "1 number"


def check_count(source_layers: list[str], target_layers: list[str], file: Path) -> None:
    """Raises Problem unless file and network have the same number of layers."""
    if len(source_layers) != len(target_layers):
        excess = (
            f", of which {source_layers[len(target_layers)]} is the first too many"
            if len(source_layers) > len(target_layers)
            else ""
        )
        counts = f"{len(source_layers):,} layers with weights{excess}; the network has {len(target_layers):,}"
        raise Problem(f"{file} has {counts}; use the file of this recipe", DATA)
