"""An anchor-free detector's positions: which box each predicts, the loss, and boxes from its outputs.

After FCOS (Tian et al. 2019, arXiv:1904.01355): a position is the middle of a cell of a map; it predicts a score for
each label, the distances to the four edges of its box, and how near it is to the middle of it (centre-ness). Here with
the sampling of positions around the centre of a box and the overlap of GIoU in the loss, as in the paper's later
version (arXiv:2006.09214), and the exponential of distances in strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .box_targets import CROWD, LABEL

OUTPUTS = 5  # of each position beside the labels: four distances and the centre-ness
RADIUS = 1.5  # strides around the centre of a box within which positions predict it
REACH = 8.0  # strides: the largest distance to an edge that a scale predicts; the last scale predicts all larger ones
LONGEST = 8.0  # the largest exponent of a distance
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss (Lin et al. 2017, arXiv:1708.02002, section 5.1)
PRIOR = 0.01  # the probability of a label at a position before training (the same, section 4.1)
FLOOR = 0.01  # scores below are no predictions
CANDIDATES = 1000  # predictions of an input that are compared with each other
OVERLAP = 0.6  # of two predictions of a label, from which the less probable one is suppressed
MOST = 100  # predictions of an input


@dataclass(frozen=True)
class Grid:
    """The positions of an input of `size` (height, width): of the maps of `levels` (rows, columns), row by row."""

    size: tuple[int, int]
    levels: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        return sum(rows * columns for rows, columns in self.levels)

    def positions(self, like: Tensor) -> Positions:
        """The positions as tensors on the device of another."""
        height, width = self.size
        centres: list[Tensor] = []
        strides: list[Tensor] = []
        low: list[Tensor] = []
        high: list[Tensor] = []
        before = 0.0
        for index, (rows, columns) in enumerate(self.levels):
            down, across = height / rows, width / columns
            y = (torch.arange(rows, device=like.device) + 0.5) * down
            x = (torch.arange(columns, device=like.device) + 0.5) * across
            centres.append(torch.stack((x.expand(rows, -1), y[:, None].expand(-1, columns)), -1).reshape(-1, 2))
            stride = (down + across) / 2
            last = index == len(self.levels) - 1
            reach = float("inf") if last else REACH * stride
            for values, value in ((strides, stride), (low, before), (high, reach)):
                values.append(centres[-1].new_full((rows * columns,), value))
            before = reach
        return Positions(torch.cat(centres), torch.cat(strides), torch.cat(low), torch.cat(high))

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, 3): see `losses`."""
        return losses(logits, targets, self.positions(logits))

    def decoded(self, logits: Tensor) -> Tensor:
        """(B, K + 5, 1, L) -> (B, L, 4 + K): the edges of each position's box, and its score for each label."""
        return decoded(logits, self.positions(logits))

    def label_logits(self, logits: Tensor) -> Tensor:
        """(B, L, K) the logits of the labels at each position."""
        return logits.flatten(2)[:, :-OUTPUTS].transpose(1, 2)


class Positions(NamedTuple):
    """L positions: (L, 2) x and y in pixels of the input; (L,) their stride, and the distances that they predict."""

    centres: Tensor
    strides: Tensor
    low: Tensor
    high: Tensor


class Assigned(NamedTuple):
    """The box that each of L positions of B inputs predicts, −1 for none; and the positions that count neither way."""

    box: Tensor  # (B, L) int64
    ignored: Tensor  # (B, L) bool


def assign(targets: Tensor, positions: Positions) -> Assigned:
    """(B, 1 + M, 6) targets, M ≥ 1 -> the box of each position: of several that fit, the smallest (section 3.1)."""
    boxes = targets[:, 1:]  # (B, M, 6)
    edges = boxes[:, None, :, :4]  # (B, 1, M, 4)
    distances = edge_distances(positions.centres[None, :, None], edges)  # (B, L, M, 4)
    is_inside = distances.amin(-1) > 0
    middle = (edges[..., :2] + edges[..., 2:]) / 2
    offset = (positions.centres[None, :, None] - middle).abs().amax(-1)  # (B, L, M)
    stride = positions.strides[None, :, None]
    largest = distances.amax(-1)
    fits = (largest > positions.low[None, :, None]) & (largest <= positions.high[None, :, None])
    # A box smaller than a cell may hold no position: the nearest predicts it all the same.
    is_near = (is_inside & (offset < RADIUS * stride)) | (offset <= 0.5 * stride)
    is_box, is_crowd = boxes[:, None, :, LABEL] >= 0, boxes[:, None, :, CROWD] > 0
    area = ((edges[..., 2] - edges[..., 0]) * (edges[..., 3] - edges[..., 1])).expand_as(largest)
    area = area.where(fits & is_near & is_box & ~is_crowd, torch.inf)
    smallest = area.min(2)
    index = smallest.indices.where(smallest.values < torch.inf, -1)
    return Assigned(index, (is_inside & is_box & is_crowd).any(2) & (index < 0))


def edge_distances(points: Tensor, edges: Tensor) -> Tensor:
    """(…, 2) points and (…, 4) edges -> (…, 4) the distances to left, top, right, bottom; negative outside."""
    return torch.cat((points - edges[..., :2], edges[..., 2:] - points), -1)


def centreness(distances: Tensor) -> Tensor:
    """(…, 4) distances -> the root of the ratios of the nearer to the farther edge (FCOS, equation 3)."""
    left, top, right, bottom = distances.clamp_min(0).unbind(-1)
    across = torch.minimum(left, right) / torch.maximum(left, right).clamp_min(1e-6)
    down = torch.minimum(top, bottom) / torch.maximum(top, bottom).clamp_min(1e-6)
    return (across * down).sqrt()


class Outputs(NamedTuple):
    """What a network says of L positions and K labels."""

    labels: Tensor  # (B, L, K) logits
    edges: Tensor  # (B, L, 4) left, top, right, bottom in pixels of the input
    centreness: Tensor  # (B, L) logits


def outputs_of(logits: Tensor, positions: Positions) -> Outputs:
    """(B, K + 5, 1, L): K logits of labels, 4 logarithms of distances in strides, centre-ness."""
    values = logits.flatten(2).transpose(1, 2)  # (B, L, K + 5)
    labels, distances, middle = values[..., :-5], values[..., -5:-1], values[..., -1]
    distances = distances.clamp(-LONGEST, LONGEST).exp() * positions.strides[:, None]
    centres = positions.centres
    edges = torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), -1)
    return Outputs(labels, edges, middle)


def losses(logits: Tensor, targets: Tensor, positions: Positions) -> Tensor:
    """(B, 3) sums over the positions of each input: focal loss of the labels, 1 − GIoU, and centre-ness."""
    from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss  # takes time to import

    outputs, assigned = outputs_of(logits, positions), assign(targets, positions)
    is_positive = assigned.box >= 0
    boxes = targets[:, 1:].gather(1, assigned.box.clamp_min(0)[..., None].expand(-1, -1, targets.shape[2]))
    labels = boxes[..., LABEL].long().clamp_min(0)
    wanted = F.one_hot(labels, outputs.labels.shape[2]) * is_positive[..., None]
    focal = sigmoid_focal_loss(outputs.labels, wanted.to(outputs.labels.dtype), ALPHA, GAMMA)
    focal = (focal * ~assigned.ignored[..., None]).sum((1, 2))
    rows = is_positive.nonzero()[:, 0]
    edges, predicted = boxes[is_positive][:, :4], outputs.edges[is_positive]
    middle = centreness(edge_distances(positions.centres.expand(len(targets), -1, -1)[is_positive], edges))
    overlap = generalized_box_iou_loss(predicted, edges)
    nearness = F.binary_cross_entropy_with_logits(outputs.centreness[is_positive], middle, reduction="none")
    zeros = focal.new_zeros(len(targets))
    return torch.stack((focal, zeros.index_add(0, rows, overlap), zeros.index_add(0, rows, nearness)), 1)


def decoded(logits: Tensor, positions: Positions) -> Tensor:
    """(B, K + 5, 1, L) -> (B, L, 4 + K): the edges of each position's box, and its score for each label."""
    outputs = outputs_of(logits, positions)
    scores = (outputs.labels.sigmoid() * outputs.centreness.sigmoid()[..., None]).sqrt()
    return torch.cat((outputs.edges, scores), -1)


def suppressed(decoded: Tensor, size: Sequence[int]) -> Tensor:
    """(B, L, 4 + K) -> (B, MOST, 6): left, top, right, bottom, score, label, highest score first; zeros behind them.

    Of predictions of a label that overlap, the one with the highest score is kept.
    """
    from torchvision.ops import batched_nms

    height, width = size
    result = decoded.new_zeros(len(decoded), MOST, 6)
    for row, values in zip(result, decoded, strict=True):
        scores = values[:, 4:]
        best = scores.flatten().topk(min(CANDIDATES, scores.numel()))
        chosen = best.indices[best.values >= FLOOR]
        position, label = chosen // scores.shape[1], chosen % scores.shape[1]
        edges, score = values[position, :4], scores.flatten()[chosen]
        edges = torch.stack((*(edges[:, k].clamp(0, (width, height)[k % 2]) for k in range(4)),), 1)
        kept = batched_nms(edges.float(), score.float(), label, OVERLAP)[:MOST]
        row[: len(kept)] = torch.cat((edges[kept], score[kept, None], label[kept, None].to(score.dtype)), 1)
    return result
