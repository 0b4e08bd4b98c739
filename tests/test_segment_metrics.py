"""Metrics of masks against scikit-learn, loops over pixels and known numbers."""

import numpy as np
import pytest
import torch
from neocog.core.tasks.segment_metrics import (
    Counts,
    boundaries,
    boundary_f1,
    count,
    counts_of,
    f1_scores,
    ious,
    mean,
    segment_metrics,
    tolerance,
)
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, log_loss
from torch import Tensor

IGNORE = 255


def masks(count: int, classes: int, height: int = 14, width: int = 18, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(N, K, H, W) probabilities and (N, H, W) class indices with ignored pixels."""
    rng = torch.Generator().manual_seed(seed)
    probabilities = (2 * torch.randn(count, classes, height, width, generator=rng)).softmax(1)
    targets = torch.randint(0, classes, (count, height, width), generator=rng).to(torch.uint8)
    targets[torch.rand(targets.shape, generator=rng) < 0.1] = IGNORE
    return probabilities, targets


def counted(probabilities: Tensor, targets: Tensor) -> Counts:
    return counts_of(count(probabilities, targets, IGNORE).numpy(), probabilities.shape[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_metrics_of_a_set_are_those_of_all_its_pixels_together(seed: int) -> None:
    """Equal to scikit-learn's on the pixels of all pictures in one row, without the ignored ones."""
    probabilities, targets = masks(5, 4, seed=seed)
    metrics = segment_metrics(counted(probabilities, targets), list("abcd"))
    valid = (targets != IGNORE).flatten()
    true = targets.flatten()[valid].numpy()
    flat = probabilities.permute(0, 2, 3, 1).flatten(0, 2)[valid].double().numpy()
    flat /= flat.sum(1, keepdims=True)
    predicted = flat.argmax(1)
    assert metrics["confusion"] == confusion_matrix(true, predicted, labels=range(4)).tolist()
    assert metrics["mean_iou"] == pytest.approx(jaccard_score(true, predicted, average="macro"))
    assert metrics["mean_f1"] == pytest.approx(f1_score(true, predicted, average="macro"))
    assert [row["f1"] for row in metrics["classes"]] == pytest.approx(f1_score(true, predicted, average=None).tolist())
    assert metrics["pixel_accuracy"] == pytest.approx(float((true == predicted).mean()))
    assert metrics["log_loss"] == pytest.approx(log_loss(true, flat, labels=range(4)), rel=1e-4)
    assert metrics["pixels"] == int(valid.sum()) and metrics["ignored_pixels"] == int((~valid).sum())
    assert (metrics["metric"], metrics["value"], metrics["examples"]) == ("mean_iou", metrics["mean_iou"], 5)


def test_counting_is_independent_of_the_batches() -> None:
    probabilities, targets = masks(6, 3)
    together = count(probabilities, targets, IGNORE)
    alone = torch.cat([count(probabilities[i : i + 1], targets[i : i + 1], IGNORE) for i in range(6)])
    torch.testing.assert_close(together, alone)


def test_a_perfect_prediction_has_all_metrics_at_1() -> None:
    _, targets = masks(3, 3)
    probabilities = torch.nn.functional.one_hot(targets.long().where(targets != IGNORE, 0), 3).permute(0, 3, 1, 2)
    metrics = segment_metrics(counted(probabilities.float(), targets), list("abc"))
    for name in ("mean_iou", "pixel_accuracy", "mean_accuracy", "mean_f1", "boundary_f1"):
        assert metrics[name] == 1 and metrics[f"{name}_interval"] == [1, 1]


def test_a_class_in_neither_mask_is_left_out_of_the_mean() -> None:
    """Two classes of which one is never there nor predicted: the mean is of the other."""
    confusion = np.array([[6.0, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert ious(confusion)[:2].tolist() == pytest.approx([6 / 9, 3 / 6]) and np.isnan(ious(confusion)[2])
    assert float(mean(ious(confusion))) == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert f1_scores(confusion)[0] == pytest.approx(12 / 15)


def test_a_picture_of_which_all_is_ignored_counts_nothing() -> None:
    probabilities, _ = masks(2, 3)
    counts = counted(probabilities, torch.full((2, 14, 18), IGNORE, dtype=torch.uint8))
    assert counts.confusion.sum() == counts.losses.sum() == counts.boundary.sum() == 0
    assert counts.ignored.tolist() == [252, 252]
    metrics = segment_metrics(counts, list("abc"))
    assert metrics["mean_iou"] is None and metrics["interval"] is None


def slow_boundary(mask: np.ndarray, label: int) -> set[tuple[int, int]]:
    """The pixels of a label with a neighbour above, below or beside of another one, none of them ignored."""
    height, width = mask.shape
    pixels = set()
    for y, x in np.ndindex(height, width):
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        others = [mask[p] for p in beside if 0 <= p[0] < height and 0 <= p[1] < width]
        if mask[y, x] == label and any(other not in (label, IGNORE) for other in others):
            pixels.add((y, x))
    return pixels


def slow_boundary_f1(predicted: np.ndarray, true: np.ndarray, label: int, distance: int) -> float:
    first, second = slow_boundary(predicted, label), slow_boundary(true, label)

    def near(pixels: set[tuple[int, int]], others: set[tuple[int, int]]) -> int:
        return sum(any((y - v) ** 2 + (x - u) ** 2 <= distance**2 for v, u in others) for y, x in pixels)

    if not first and not second:
        return float("nan")
    if not first or not second:
        return 0.0
    precision, recall = near(first, second) / len(first), near(second, first) / len(second)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("seed", range(4))
def test_boundary_f1_is_that_of_a_loop_over_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (2, 5, 6))
    true, predicted = (np.kron(part, np.ones((6, 6), int)).astype(np.uint8) for part in coarse)
    predicted = np.roll(predicted, 1, axis=0) if seed % 2 else predicted
    true[rng.random(true.shape) < 0.03] = IGNORE
    seen = np.where(true == IGNORE, IGNORE, predicted)
    probabilities = torch.nn.functional.one_hot(torch.from_numpy(predicted).long(), 3).permute(2, 0, 1)[None].float()
    counts = counted(probabilities, torch.from_numpy(true)[None])
    expected = [slow_boundary_f1(seen, true, label, tolerance(*true.shape)) for label in range(3)]
    np.testing.assert_allclose(boundary_f1(counts.boundary[0]), expected)


def test_boundaries_that_are_a_pixel_apart_are_met_and_ones_far_apart_are_not() -> None:
    """Of 128×128 pixels the distance is 1: a boundary moved by one is met, one moved by four is not."""
    assert tolerance(128, 128) == 1 and tolerance(180, 240) == 2 and tolerance(8, 8) == 1
    true = torch.zeros(1, 128, 128, dtype=torch.uint8)
    true[:, :, 64:] = 1
    for shift, value in ((0, 1.0), (1, 1.0), (4, 0.0)):
        moved = true.roll(shift, 2)
        moved[:, :, :shift] = 0
        probabilities = torch.nn.functional.one_hot(moved.long(), 2).permute(0, 3, 1, 2).float()
        assert boundary_f1(counted(probabilities, true).boundary[0]).tolist() == [value, value]


def test_the_border_of_a_picture_is_no_boundary() -> None:
    mask = torch.zeros(1, 5, 5, dtype=torch.int64)
    assert not boundaries(mask, torch.ones(1, 5, 5, dtype=torch.bool), 2).any()


def test_intervals_are_over_pictures() -> None:
    """Equal pictures have an interval of one point; unequal ones have one around the mean."""
    probabilities, targets = masks(1, 3)
    equal = segment_metrics(counted(probabilities.expand(8, -1, -1, -1), targets.expand(8, -1, -1)), list("abc"))
    low, high = equal["interval"]
    assert low == pytest.approx(equal["value"]) == pytest.approx(high)
    unequal = segment_metrics(counted(*masks(8, 3)), list("abc"))
    assert unequal["interval"][0] < unequal["value"] < unequal["interval"][1]
