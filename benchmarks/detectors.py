"""A training step of our detector beside torchvision's FCOS and Faster R-CNN on the same trunk: CPU seconds.

    python benchmarks/detectors.py [--recipe lite0-detector] [--side 320] [--batch 8] [--boxes 14] [--steps 5]

All three get the same pictures and boxes, the trunk and the two maps of `--recipe` with random weights, one thread and
float32; torchvision's defaults of sizes are set to the side, so that nothing is resized. FCOS has its four convolutions
in each tower, and as many as ours has (two). A step is forward, loss and backward, without the optimiser; the time is
the least of the steps behind the first.
"""

import argparse
import json
import time
from collections import OrderedDict
from collections.abc import Callable

import torch
from neocog.core.data import Examples
from neocog.core.network import Network
from neocog.core.tasks import Detect
from neocog.vision.detect_models import RECIPES
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import MultiScaleRoIAlign

LABELS = 3
STRIDES = {"lite0-detector": (8, 16), "detector": (4, 8)}
TOWER_LAYERS = 1  # that end each scale of a recipe: the towers in parallel


class Trunk(nn.Module):
    """The maps of a recipe at both strides, as torchvision's detectors take them."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        module = network.module()
        finer, coarser = module[-1].branches
        self.shared = nn.Sequential(*list(module.children())[:-1])
        self.finer = nn.Sequential(*list(finer.children())[:-TOWER_LAYERS])
        self.coarser = nn.Sequential(*list(coarser.children())[:-TOWER_LAYERS])
        self.out_channels = network.rows[-1].input[0]

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        shared = self.shared(x)
        return OrderedDict([("0", self.finer(shared)), ("1", self.coarser(shared))])


def boxes_of(count: int, side: int, batch: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, N, 4) edges of boxes of 24 to 72 pixels and (B, N) labels."""
    corners = torch.rand(batch, count, 2, generator=rng) * (side - 72)
    sides = 24 + torch.rand(batch, count, 2, generator=rng) * 48
    return torch.cat((corners, corners + sides), 2), torch.randint(LABELS, (batch, count), generator=rng)


def ours(network: Network, x: Tensor, edges: Tensor, labels: Tensor) -> Callable[[], Tensor]:
    targets = torch.zeros(len(x), 1 + edges.shape[1], 6)
    targets[:, 0] = torch.tensor([*x.shape[2:], 1.0, 1.0, 0.0, 0.0])
    targets[:, 1:, :4], targets[:, 1:, 4] = edges, labels
    task = Detect([str(k) for k in range(LABELS)]).fitted_to(network, Examples(x, targets, [""] * len(x)))
    module = network.module().to(memory_format=torch.channels_last).train()
    task.initialize_output(module)
    return lambda: task.loss(module(x.contiguous(memory_format=torch.channels_last)).float(), targets)


def theirs(detector: nn.Module, x: Tensor, edges: Tensor, labels: Tensor, first: int) -> Callable[[], Tensor]:
    """`first` is the number of the first label: 0 in FCOS, 1 in Faster R-CNN, whose 0 is the background."""
    detector = detector.to(memory_format=torch.channels_last).train()
    rows = [{"boxes": e, "labels": k + first} for e, k in zip(edges, labels, strict=True)]
    return lambda: torch.stack(list(detector(list(x), rows).values())).sum()


def fcos(network: Network, strides: tuple[int, int], side: int, convolutions: int) -> nn.Module:
    trunk = Trunk(network)
    anchors = AnchorGenerator(tuple((stride,) for stride in strides), ((1.0,),) * 2)
    head = FCOSHead(trunk.out_channels, 1, LABELS, convolutions)
    sizes = {"min_size": side, "max_size": side}
    return FCOS(trunk, LABELS, anchor_generator=anchors, head=head, **sizes)


def faster_rcnn(network: Network, strides: tuple[int, int], side: int) -> nn.Module:
    anchors = AnchorGenerator(tuple((4 * stride,) for stride in strides), ((0.5, 1.0, 2.0),) * 2)
    pool = MultiScaleRoIAlign(["0", "1"], 7, 2)
    sizes = {"min_size": side, "max_size": side}
    return FasterRCNN(Trunk(network), LABELS + 1, rpn_anchor_generator=anchors, box_roi_pool=pool, **sizes)


def seconds(loss: Callable[[], Tensor], steps: int) -> float:
    """The CPU seconds of a step."""
    times = []
    for _ in range(steps + 1):
        start = time.process_time()
        loss().backward()
        times.append(time.process_time() - start)
    return min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", default="lite0-detector", choices=list(STRIDES))
    for name, value in (("side", 320), ("batch", 8), ("boxes", 14), ("steps", 5), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(chosen.seed)
    torch.manual_seed(chosen.seed)
    network = Network((3, chosen.side, chosen.side), RECIPES[chosen.recipe].layers(LABELS))
    x = torch.randn(chosen.batch, 3, chosen.side, chosen.side, generator=rng)
    edges, labels = boxes_of(chosen.boxes, chosen.side, chosen.batch, rng)
    strides = STRIDES[chosen.recipe]
    two_stage = Network(network.input, RECIPES["faster-rcnn"].layers(LABELS))  # always on EfficientNet-Lite0
    losses = {
        "ours": ours(network, x, edges, labels),
        "ours, faster-rcnn": ours(two_stage, x, edges, labels),
        "FCOS, 2 convolutions a tower": theirs(fcos(network, strides, chosen.side, 2), x, edges, labels, 0),
        "FCOS, 4 convolutions a tower": theirs(fcos(network, strides, chosen.side, 4), x, edges, labels, 0),
        "Faster R-CNN": theirs(faster_rcnn(network, strides, chosen.side), x, edges, labels, 1),
    }
    first = None
    for name, loss in losses.items():
        value = seconds(loss, chosen.steps)
        first = first or value
        print(json.dumps({"detector": name, "cpu_seconds": round(value, 2), "times_ours": round(value / first, 2)}))


if __name__ == "__main__":
    main()
