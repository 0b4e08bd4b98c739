"""Average precision of boxes: pycocotools' figures in random cases, and cases that can be counted by hand."""

import contextlib
import io

import numpy as np
import pytest
from neocog.core.tasks.average_precision import (
    AREAS,
    OVERLAPS,
    Boxes,
    average_precision,
    best_threshold,
    match,
    overlap,
    weighted_average_precision,
)

SIDE = 200  # of the pictures that are made


def boxes(edges, scores=None, crowd=None) -> Boxes:
    edges = np.array(edges, np.float64).reshape(-1, 4)
    areas = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
    scores = np.ones(len(edges)) if scores is None else np.array(scores, np.float64)
    return Boxes(edges, areas, scores, np.zeros(len(edges), bool) if crowd is None else np.array(crowd, bool))


def random_case(rng: np.random.Generator) -> tuple[list[Boxes], list[Boxes]]:
    """Predictions and true boxes of one label in some pictures: whole corners, many ties, crowds, empty pictures."""
    predicted, true = [], []
    for _ in range(int(rng.integers(1, 5))):
        count = int(rng.integers(0, 7)) if rng.random() < 0.85 else 0
        corners = rng.integers(0, SIDE // 2, (count, 2))
        edges = np.concatenate([corners, corners + rng.integers(1, SIDE // 2, (count, 2))], 1)
        true.append(boxes(edges, crowd=rng.random(count) < 0.15))
        near = edges[rng.integers(0, max(1, count), int(rng.integers(0, 9)))] if count else np.zeros((0, 4), int)
        near = near + rng.integers(-4, 5, near.shape) * rng.integers(0, 2, (len(near), 1))
        elsewhere = rng.integers(0, SIDE // 2, (int(rng.integers(0, 4)), 2))
        elsewhere = np.concatenate([elsewhere, elsewhere + rng.integers(1, 60, elsewhere.shape)], 1)
        both = np.concatenate([near, elsewhere])
        both = both[(both[:, 2] > both[:, 0]) & (both[:, 3] > both[:, 1])]
        predicted.append(boxes(both, rng.integers(1, 6, len(both)) / 5))
    return predicted, true


def by_pycocotools(predicted: list[Boxes], true: list[Boxes]) -> tuple[dict[str, np.ndarray], bool]:
    """Average precisions at ten overlaps by range of areas, −1 without a true box."""
    coco_module, eval_module = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    images = [{"id": index + 1, "width": SIDE, "height": SIDE} for index in range(len(true))]
    entries: list[dict[str, object]] = []
    for index, row in enumerate(true):
        for (left, top, right, bottom), area, crowd in zip(
            row.edges.tolist(), row.areas.tolist(), row.crowd, strict=True
        ):
            box = [left, top, right - left, bottom - top]
            entry = {"id": len(entries) + 1, "image_id": index + 1, "category_id": 1, "bbox": box, "area": area}
            entries.append(entry | {"iscrowd": int(crowd)})
    results = [
        {"image_id": index + 1, "category_id": 1, "bbox": [left, top, right - left, bottom - top], "score": score}
        for index, row in enumerate(predicted)
        for (left, top, right, bottom), score in zip(row.edges.tolist(), row.scores.tolist(), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO()
        coco.dataset = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "a"}], "info": {}}
        coco.createIndex()
        found = coco.loadRes(results) if results else coco_module.COCO()
        if not results:
            found.dataset = {**coco.dataset, "annotations": []}
            found.createIndex()
        evaluation = eval_module.COCOeval(coco, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, :, 2]  # (T, R, A)
    return {area: precision[:, :, index].mean(1) for index, area in enumerate(AREAS)}, bool(results)


@pytest.mark.parametrize("cases", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_cases_are_those_of_pycocotools(cases):
    rng = np.random.default_rng(0)
    crowds = empty = 0
    for _ in range(cases):
        predicted, true = random_case(rng)
        crowds += any(row.crowd.any() for row in true)
        expected, has_results = by_pycocotools(predicted, true)
        empty += not has_results or not sum(len(row.scores) for row in true)
        for area, values in expected.items():
            computed = np.nan_to_num(average_precision(match(predicted, true, OVERLAPS, area)), nan=-1.0)
            np.testing.assert_allclose(computed, values, atol=1e-9)
    assert crowds > cases / 10 and empty > cases / 20


def test_what_is_all_right_has_1_and_what_is_all_wrong_has_0():
    true = [boxes([[0, 0, 10, 10], [20, 20, 40, 40]]), boxes([[5, 5, 9, 9]])]
    right = [row._replace(scores=np.linspace(0.9, 0.5, len(row.scores))) for row in true]
    assert average_precision(match(right, true)).tolist() == [1.0] * 10
    assert average_precision(match([boxes([])] * 2, true)).tolist() == [0.0] * 10
    assert np.isnan(average_precision(match(right, [boxes([])] * 2))).all()


def test_one_of_two_boxes_with_an_error_before_it_has_a_quarter():
    """Recall 1/2 is reached at precision 1/2: 51 of 101 recalls have it."""
    true = [boxes([[0, 0, 10, 10], [20, 20, 40, 40]])]
    predicted = [boxes([[60, 60, 70, 70], [0, 0, 10, 10]], [0.9, 0.8])]
    assert average_precision(match(predicted, true))[0] == pytest.approx(0.5 * 51 / 101)


def test_the_overlap_of_boxes():
    edges = np.array([[0.0, 0, 10, 10]])
    others = np.array([[5.0, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30], [5, 0, 15, 10]])
    crowd = np.array([False, False, False, True])
    assert overlap(edges, others, crowd)[0].tolist() == pytest.approx([1 / 3, 1, 0, 0.5])


def test_inputs_that_count_twice_are_as_two():
    rng = np.random.default_rng(1)
    predicted, true = random_case(rng)
    twice = match([*predicted, predicted[0]], [*true, true[0]])
    weights = np.ones((1, len(true)))
    weights[0, 0] = 2
    np.testing.assert_allclose(
        weighted_average_precision(match(predicted, true), weights)[0], average_precision(twice), atol=1e-12
    )


def test_the_threshold_of_the_highest_f1_lies_between_two_scores():
    true = [boxes([[0, 0, 10, 10], [20, 20, 40, 40]])]
    edges = [[0, 0, 10, 10], [20, 20, 40, 40], [60, 60, 70, 70]]
    assert best_threshold(match([boxes(edges, [0.9, 0.6, 0.2])], true)) == pytest.approx(0.4)
    assert best_threshold(match([boxes([])], true)) is None
