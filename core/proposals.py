"""The module of the layer `regions`: boxes that may hold an object, and what a head says of the maps in them.

After Faster R-CNN (Ren et al. 2015, arXiv:1506.01497, section 3): a small network predicts for anchors, boxes of
several sizes and shapes around each position of a map, how probable an object is and how the box has to be changed. The
most probable boxes that do not overlap much are the regions. Here everything is one batch of equal shapes, in training
as in prediction, so that it can be exported: of a fixed number of candidates, those that a more probable one overlaps
stand behind the others (Fast NMS, Bolya et al. 2019, arXiv:1904.02689, section 4.2), and no true box joins the regions.

Boxes are left, top, right, bottom in cells of the map, whose first cell reaches from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATIOS = (0.5, 1.0, 2.0)  # of the height to the width of anchors (section 3.3)
SIDE = 7  # rows and columns of a region's maps
CANDIDATES = 4  # compared with each other, in regions that remain of them
OVERLAP = 0.7  # of two candidates, from which the less probable one stands behind (section 3.3)
OF_ANCHOR, OF_REGION = 5, 5  # numbers: an anchor's score and deltas; a region's deltas and background
LARGEST_LOG = log(1000 / 16)  # the largest logarithm of a change of a side, torchvision's


class RegionOutputs(NamedTuple):
    """The numbers that the layer gives for B inputs, P regions, K labels and N anchors."""

    edges: Tensor  # (B, P, 4) of the regions
    labels: Tensor  # (B, P, K + 1) logits, that of the background last
    deltas: Tensor  # (B, P, 4) from the regions to the boxes of objects
    objectness: Tensor  # (B, N) logits
    anchor_deltas: Tensor  # (B, N, 4)


def anchors(rows: int, columns: int, sizes: Sequence[float]) -> Tensor:
    """(rows · columns · A, 4) the anchors of all positions, row by row; A is 3 for each of `sizes`, a side in cells."""
    size, ratio = torch.tensor([(float(size), ratio) for size in sizes for ratio in RATIOS]).T
    half = torch.stack((size / ratio.sqrt(), size * ratio.sqrt()), 1) / 2  # (A, 2) across and down
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    centres = torch.stack((x, y), -1).reshape(-1, 1, 2)
    return torch.cat((centres - half, centres + half), 2).flatten(0, 1)


def changed(boxes: Tensor, deltas: Tensor) -> Tensor:
    """(…, 4) boxes and deltas -> the boxes that they mean: shifts in sides, and logarithms of ratios of sides."""
    sides = boxes[..., 2:] - boxes[..., :2]
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2 + deltas[..., :2] * sides
    half = deltas[..., 2:].clamp_max(LARGEST_LOG).exp() * sides / 2
    return torch.cat((centres - half, centres + half), -1)


def deltas_between(boxes: Tensor, wanted: Tensor) -> Tensor:
    """(…, 4) the deltas that change boxes into the wanted ones (Girshick et al. 2014, arXiv:1311.2524, appendix C)."""
    sides, wanted_sides = ((box[..., 2:] - box[..., :2]).clamp_min(1e-3) for box in (boxes, wanted))
    shifts = (wanted[..., :2] + wanted[..., 2:] - boxes[..., :2] - boxes[..., 2:]) / 2 / sides
    return torch.cat((shifts, (wanted_sides / sides).log()), -1)


def intersections(boxes: Tensor, others: Tensor) -> Tensor:
    """(B, N, 4) and (B, M, 4) boxes -> (B, N, M) the areas that they share."""
    first = torch.maximum(boxes[:, :, None, :2], others[:, None, :, :2])
    last = torch.minimum(boxes[:, :, None, 2:], others[:, None, :, 2:])
    sides = (last - first).clamp_min(0)
    return sides[..., 0] * sides[..., 1]


def areas(boxes: Tensor) -> Tensor:
    """(…, 4) boxes -> (…) their areas."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """(B, N, 4) and (B, M, 4) boxes -> (B, N, M) intersection over union; 0 for a box without an area."""
    shared = intersections(boxes, others)
    union = areas(boxes)[:, :, None] + areas(others)[:, None] - shared
    return shared / union.clamp_min(1e-9)


class Regions(nn.Module):
    """(B, C, H, W) maps -> (B, P · (4 + K + 5) + N · 5): the regions, the head's numbers for each, those of anchors.

    Positions of regions are constants for the gradient. `split` takes the row apart.
    """

    anchors: Tensor

    def __init__(
        self, proposer: nn.Module, head: nn.Module, cells: tuple[int, int], sizes: Sequence[float], count: int
    ) -> None:
        super().__init__()
        self.proposer, self.head, self.cells, self.count = proposer, head, cells, count
        self.register_buffer("anchors", anchors(*cells, sizes), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        proposals = self.proposer(x)  # (B, A · 5, H, W)
        proposals = proposals.unflatten(1, (-1, OF_ANCHOR)).permute(0, 3, 4, 1, 2).flatten(1, 3)  # (B, N, 5)
        edges = self.chosen(proposals.detach())
        values = self.head(region_maps(x, edges)).unflatten(0, (-1, self.count))  # (B, P, K + 5)
        return torch.cat((edges.flatten(1), values.flatten(1), proposals.flatten(1)), 1)

    def chosen(self, proposals: Tensor) -> Tensor:
        """(B, N, 5) what is predicted of anchors -> (B, P, 4) the regions, the most probable first."""
        boxes = clipped(changed(self.anchors, proposals[..., 1:]), self.cells)
        candidates = min(CANDIDATES * self.count, len(self.anchors))
        best = proposals[..., 0].topk(candidates, 1).indices
        boxes = taken(boxes, best)
        is_behind = (overlaps(boxes, boxes).triu(1) > OVERLAP).any(1)  # (B, candidates)
        order = torch.arange(candidates, device=boxes.device) + candidates * is_behind
        return taken(boxes, order.topk(self.count, 1, largest=False).indices)


def taken(rows: Tensor, indices: Tensor) -> Tensor:
    """(B, N, 4) rows at (B, P) indices -> (B, P, 4)."""
    return rows.gather(1, indices[..., None].expand(-1, -1, rows.shape[2]))


def clipped(boxes: Tensor, cells: tuple[int, int]) -> Tensor:
    """(…, 4) boxes, cut off at the border of the map."""
    rows, columns = cells
    return torch.stack([boxes[..., k].clamp(0, (columns, rows)[k % 2]) for k in range(4)], -1)


def region_maps(x: Tensor, edges: Tensor) -> Tensor:
    """(B, C, H, W) maps and (B, P, 4) boxes -> (B · P, C, 7, 7): RoIAlign (He et al. 2017, arXiv:1703.06870, sec. 3).

    Each cell is one bilinear sample of the maps at its middle: the paper finds results not sensitive to their number.
    All regions of an input are one sampling, whose backward pass costs half of that of torchvision's operator.
    """
    count = edges.shape[1]
    shares = (torch.arange(SIDE, device=x.device, dtype=edges.dtype) + 0.5) / SIDE
    places = edges[..., :2, None] + (edges[..., 2:] - edges[..., :2])[..., None] * shares  # (B, P, 2, 7)
    places = places * places.new_tensor([2 / x.shape[3], 2 / x.shape[2]])[:, None] - 1  # -1 to 1, as grid_sample asks
    across = places[:, :, 0, None].expand(-1, -1, SIDE, -1)
    down = places[:, :, 1, :, None].expand(-1, -1, -1, SIDE)
    grid = torch.stack((across, down), -1).flatten(1, 2)  # (B, P · 7, 7, 2)
    samples = F.grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)
    maps: Tensor = samples.unflatten(2, (count, SIDE)).transpose(1, 2).flatten(0, 1)
    return maps


def split(row: Tensor, count: int, number: int) -> RegionOutputs:
    """(B, numbers) what the layer gives for `count` regions and `number` anchors, taken apart."""
    labels = (row.shape[1] - OF_ANCHOR * number) // count - OF_REGION - 4
    edges, values, proposals = row.split((4 * count, (labels + OF_REGION) * count, OF_ANCHOR * number), 1)
    values, proposals = values.unflatten(1, (count, -1)), proposals.unflatten(1, (number, OF_ANCHOR))
    logits = torch.cat((values[..., :labels], values[..., -1:]), 2)
    deltas = values[..., labels:-1]
    return RegionOutputs(edges.unflatten(1, (count, 4)), logits, deltas, proposals[..., 0], proposals[..., 1:])
