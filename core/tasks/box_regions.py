"""A two-stage detector's regions: which box each anchor and each region predicts, the loss, and boxes from its outputs.

After Faster R-CNN (Ren et al. 2015, arXiv:1506.01497, section 3.1) as torchvision has it; the layer `regions` of
core/proposals.py gives the numbers. The paper draws 256 anchors of an input at random, half of them with an object if
there are so many; here the loss is the mean of the paper's over all such draws, which needs no random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..proposals import (
    RATIOS,
    RegionOutputs,
    anchors,
    areas,
    changed,
    deltas_between,
    intersections,
    overlaps,
    split,
    taken,
)
from .box_targets import CROWD, LABEL

SURE, NONE = 0.7, 0.3  # overlap of an anchor with a true box: from it on an object, below it none (section 3.1.2)
HALF = 0.5  # overlap of a region with a true box from which on it is predicted; share of an anchor in a crowd
DRAWN, WITH_OBJECT = 256, 0.5  # anchors of an input in the loss; the largest share of those with an object
BETA = 1 / 9  # from where the loss of a delta is linear, torchvision's
WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of a region's deltas (Girshick 2015): so they have about unit variance


class Matched(NamedTuple):
    """The true box that each of L boxes of B inputs predicts, −1 for none; and the boxes that count neither way."""

    box: Tensor  # (B, L) int64
    ignored: Tensor  # (B, L) bool


@dataclass(frozen=True)
class RegionGrid:
    """The anchors of a map of `cells` (rows, columns) of an input of `size` (height, width), and `count` regions."""

    size: tuple[int, int]
    cells: tuple[int, int]
    sizes: tuple[float, ...]  # of anchors, in cells
    count: int

    @property
    def anchor_count(self) -> int:
        return self.cells[0] * self.cells[1] * len(self.sizes) * len(RATIOS)

    def outputs(self, logits: Tensor) -> RegionOutputs:
        return split(logits, self.count, self.anchor_count)

    def cell_size(self, like: Tensor) -> Tensor:
        """(4,) the pixels of a cell, across and down, twice."""
        return like.new_tensor([self.size[1] / self.cells[1], self.size[0] / self.cells[0]] * 2)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, 4): the losses of objects and deltas of the anchors, and of labels and deltas of the regions."""
        outputs = self.outputs(logits)
        boxes = targets[:, 1:].clone()
        boxes[..., :4] /= self.cell_size(logits)
        first = anchor_losses(outputs, anchors(*self.cells, self.sizes).to(logits), boxes)
        return torch.cat((first, region_losses(outputs, boxes)), 1)

    def decoded(self, logits: Tensor) -> Tensor:
        """(B, numbers) -> (B, P, 4 + K): the edges of each region's box in pixels, and its score for each label."""
        outputs = self.outputs(logits)
        edges = changed(outputs.edges, outputs.deltas / outputs.deltas.new_tensor(WEIGHTS)) * self.cell_size(logits)
        return torch.cat((edges, outputs.labels.softmax(2)[..., :-1]), 2)

    def label_logits(self, logits: Tensor) -> Tensor:
        """(B, P, K) the logits of the labels of each region, less that of the background."""
        labels = self.outputs(logits).labels
        return labels[..., :-1] - labels[..., -1:]


def matched(boxes: Tensor, true: Tensor, low: float, high: float, best: bool = False) -> Matched:
    """(B, L, 4) boxes and (B, M, 6) true ones -> the one that each overlaps most, from `high` on.

    Boxes below `low` predict none, those between count neither way, and so do those that lie in a crowd. With `best`,
    the boxes that overlap a true one most predict one in any case (section 3.1.2).
    """
    is_box, is_crowd = true[..., LABEL] >= 0, true[..., CROWD] > 0
    overlap = overlaps(boxes, true[..., :4]) * (is_box & ~is_crowd)[:, None]
    largest = overlap.max(2)
    is_object = largest.values >= high
    if best:
        of_true = overlap.amax(1, keepdim=True)  # (B, 1, M)
        is_object |= ((overlap == of_true) & (of_true > 0)).any(2)
    in_crowd = (intersections(boxes, true[..., :4]) * (is_box & is_crowd)[:, None]).amax(2)
    ignored = (largest.values >= low) | (in_crowd >= HALF * areas(boxes).clamp_min(1e-9))
    return Matched(largest.indices.where(is_object, -1), ignored & ~is_object)


def anchor_losses(outputs: RegionOutputs, boxes: Tensor, true: Tensor) -> Tensor:
    """(B, 2): the cross-entropy of objects, and the loss of the deltas of anchors (N, 4) with an object."""
    match = matched(boxes.expand(len(true), -1, -1), true, NONE, SURE, best=True)
    is_object, is_none = match.box >= 0, (match.box < 0) & ~match.ignored
    objects, others = is_object.sum(1), is_none.sum(1)
    drawn = objects.clamp_max(int(DRAWN * WITH_OBJECT))
    drawn_others = torch.minimum(DRAWN - drawn, others)
    total = (drawn + drawn_others).clamp_min(1)
    weight = is_object * (drawn / objects.clamp_min(1) / total)[:, None]  # (B, N): that it is drawn, over all drawn
    weight_none = is_none * (drawn_others / others.clamp_min(1) / total)[:, None]
    losses = F.binary_cross_entropy_with_logits(outputs.objectness, is_object.to(weight.dtype), reduction="none")
    wanted = deltas_between(boxes, taken(true[..., :4], match.box.clamp_min(0)))
    distances = F.smooth_l1_loss(outputs.anchor_deltas, wanted, beta=BETA, reduction="none").sum(2)
    return torch.stack(((losses * (weight + weight_none)).sum(1), (distances * weight).sum(1)), 1)


def region_losses(outputs: RegionOutputs, true: Tensor) -> Tensor:
    """(B, 2): the mean cross-entropy of the labels of all regions, and the loss of deltas of those with an object."""
    match = matched(outputs.edges, true, HALF, HALF)
    is_object = match.box >= 0
    rows = taken(true, match.box.clamp_min(0))
    background = outputs.labels.shape[2] - 1
    labels = rows[..., LABEL].long().where(is_object, background)
    losses = F.cross_entropy(outputs.labels.transpose(1, 2), labels, reduction="none")
    total = (~match.ignored).sum(1).clamp_min(1)
    wanted = deltas_between(outputs.edges, rows[..., :4]) * outputs.deltas.new_tensor(WEIGHTS)
    distances = F.smooth_l1_loss(outputs.deltas, wanted, beta=BETA, reduction="none").sum(2)
    return torch.stack(((losses * ~match.ignored).sum(1) / total, (distances * is_object).sum(1) / total), 1)
