"""Activations: the outputs of layers, recorded by forward hooks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .places import Place


def activations(network: nn.Module, places: Sequence[Place], maps: Tensor) -> list[Tensor]:
    """Runs a network on maps (B, C, H, W) and returns the outputs of the layers at `places`, in that order.

    Layers behind the last of them are not computed; of a layer that is applied several times, the first output counts.
    The outputs have gradients unless torch.no_grad() is in force.
    """
    layers = [place.module(network) for place in places]
    last = max(place.top_level for place in places)
    outputs: dict[nn.Module, Tensor] = {}

    def record(layer: nn.Module, _: object, output: Tensor) -> None:
        outputs.setdefault(layer, output)

    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        for layer in list(network.children())[: last + 1]:
            maps = layer(maps)
    finally:
        for hook in hooks:
            hook.remove()
    return [outputs[layer] for layer in layers]
