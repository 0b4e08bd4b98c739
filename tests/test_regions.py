"""Regions: Faster R-CNN's proposals and losses against torchvision's, and a model from its data to its file."""

import csv
import json
from pathlib import Path

import neocog
import pytest
import torch
from neocog.core.layers import conv, dense, flatten, parallel, regions, relu
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.proposals import (
    RegionOutputs,
    anchors,
    changed,
    deltas_between,
    overlaps,
    region_maps,
    split,
)
from neocog.core.proposals import Regions as RegionsModule
from neocog.core.tasks import Detect, task_of
from neocog.core.tasks.box_regions import RegionGrid, anchor_losses, matched, region_losses
from neocog.vision.detect_models import RECIPES
from scenes import draw
from test_detect import run, targets
from torch import nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import AnchorGenerator, RegionProposalNetwork
from torchvision.ops import box_iou, nms, roi_align

LAYER = regions(conv(30, 1), (flatten, dense(8), relu, parallel((dense(3),), (dense(5),))), (2, 4), count=16)
MAPS = (4, 6, 9)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def boxes(count: int, columns: float = 9, rows: float = 6, least: float = 0.5) -> torch.Tensor:
    """(count, 4) random boxes in a map."""
    corners = torch.rand(count, 2, generator=rng()) * torch.tensor([columns, rows]) * 0.7
    sides = torch.rand(count, 2, generator=rng()) * torch.tensor([columns, rows]) * 0.3 + least
    return torch.cat((corners, corners + sides), 1)


# --- geometry against torchvision -----------------------------------------------------------------------------------


def test_anchors_are_torchvisions_in_the_middles_of_cells():
    generator = AnchorGenerator(((16, 32),), ((0.5, 1.0, 2.0),))
    generator.cell_anchors = [generator.generate_anchors([16, 32], [0.5, 1.0, 2.0])]
    theirs = generator.cell_anchors[0]  # rounded to pixels; their order is by ratio first
    ours = anchors(1, 1, (16.0, 32.0)) - 0.5
    assert ours.shape == (6, 4)
    assert torch.equal(ours.reshape(2, 3, 4).transpose(0, 1).reshape(6, 4).round(), theirs)
    assert anchors(2, 3, (1.0,))[3 * 4, :].add(anchors(2, 3, (1.0,))[3 * 4, :].flip(0)).mean() == pytest.approx(3)


def test_deltas_are_torchvisions_and_invert_each_other():
    first, second = boxes(20), boxes(20).flip(0)
    deltas = deltas_between(first, second)
    torch.testing.assert_close(deltas, BoxCoder((1.0, 1.0, 1.0, 1.0)).encode([second], [first])[0])
    torch.testing.assert_close(changed(first, deltas), second)
    wild = torch.full((20, 4), 9.0)
    decoded = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode(wild, [first])[:, 0]
    torch.testing.assert_close(changed(first, wild), decoded)


def test_overlaps_are_torchvisions():
    torch.testing.assert_close(overlaps(boxes(9)[None], boxes(5).flip(0)[None])[0], box_iou(boxes(9), boxes(5).flip(0)))
    flat = torch.tensor([[[2.0, 2, 2, 5]]])
    assert overlaps(flat, flat).item() == 0  # of no area


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_the_maps_of_regions_are_roi_aligns(edge):
    x, edges = torch.randn(2, 3, 6, 9, generator=rng()), boxes(8).reshape(2, 4, 4)
    edges[0, 0] = torch.tensor([0, 0, 9 * edge, 6])
    indexed = torch.cat((torch.tensor([[0.0], [1]]).repeat_interleave(4, 0), edges.flatten(0, 1)), 1)
    torch.testing.assert_close(region_maps(x, edges), roi_align(x, indexed, 7, 1.0, 1, True), atol=1e-5, rtol=1e-5)


# --- the layer ------------------------------------------------------------------------------------------------------


def ready() -> RegionsModule:
    torch.manual_seed(0)
    module = LAYER.module(MAPS)
    assert isinstance(module, RegionsModule)
    return module.eval()


def test_regions_are_those_that_suppression_keeps_and_the_most_probable_behind_them():
    module = ready()
    proposals = torch.randn(3, 6 * 9 * 6, 5, generator=rng()) * 0.3
    edges = module.chosen(proposals)
    assert edges.shape == (3, 16, 4) and edges.min() >= 0 and (edges <= torch.tensor([9.0, 6, 9, 6])).all()
    candidates = changed(module.anchors, proposals[..., 1:]).clamp_min(0)
    candidates = torch.minimum(candidates, torch.tensor([9.0, 6, 9, 6]))
    for index in range(3):
        best = proposals[index, :, 0].argsort(descending=True)[:64]
        kept = candidates[index, best[nms(candidates[index, best], proposals[index, best, 0], 0.7)]]
        assert torch.equal(edges[index, 0], kept[0])
        # Fast NMS takes away at least what greedy suppression does.
        behind = overlaps(edges[index : index + 1], edges[index : index + 1])[0].triu(1) > 0.7
        free = int((~behind.any(0)).sum())
        assert 0 < free <= len(kept) and all((kept == edge).all(1).any() for edge in edges[index, :free])


def test_a_row_of_outputs_is_taken_apart_as_it_was_put_together():
    module, x = ready(), torch.randn(2, *MAPS, generator=rng())
    outputs = split(module(x), 16, 6 * 9 * 6)
    proposals = module.proposer(x).permute(0, 2, 3, 1).reshape(2, -1, 5)
    torch.testing.assert_close(outputs.objectness, proposals[..., 0])
    torch.testing.assert_close(outputs.anchor_deltas, proposals[..., 1:])
    torch.testing.assert_close(outputs.edges, module.chosen(proposals))
    values = module.head(region_maps(x, outputs.edges)).reshape(2, 16, 8)
    torch.testing.assert_close(outputs.labels, values[..., [0, 1, 2, 7]])
    torch.testing.assert_close(outputs.deltas, values[..., 3:7])


def test_the_maps_get_gradients_of_labels_and_places_none():
    module, x = ready(), torch.randn(1, *MAPS, generator=rng()).requires_grad_()
    outputs = split(module(x), 16, 6 * 9 * 6)
    (of_label, of_place) = (
        torch.autograd.grad(value, x, retain_graph=True)[0] for value in (outputs.labels[0, 0, 1], outputs.edges.sum())
    )
    assert of_label.abs().sum() > 0 and of_place.abs().sum() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "regions(conv(9, 1), (flatten, dense(8)), (2, 4))",
            "its first branch gives (9, 6, 9), and 2 sizes of anchors",
        ),
        ("regions(conv(15, 1), conv(8, 1), (2,))", "its second branch gives (8, 7, 7) for a region; end it with"),
        ("regions(conv(15, 1), (flatten, dense(5)), (2,))", "its second branch gives (5,) for a region"),
        ("regions(conv(15, 1), (flatten, dense(8)), (2,), count=200)", "162 anchors on 6×9, and 200 regions"),
        ("regions(conv(15, 1), (flatten, dense(8)), (2,), count=0)", "count is a whole number from 1 to 1,000; got 0"),
        ("regions(conv(15, 1), (flatten, dense(8)), 2)", "sizes are sides of anchors, from 0.1 on"),
        ("regions(conv(15, 1), (flatten, dense(8)), (0,))", "sizes are sides of anchors, from 0.1 on"),
        ("regions(flatten, (flatten, dense(8)), (2,))", "its first branch gives (216,), and 1 sizes"),
    ],
)
def test_what_does_not_fit_is_named(text, message):
    with pytest.raises(Problem) as problem:
        Network(MAPS, parse(text))
    assert message in str(problem.value)


def test_a_network_of_other_numbers_than_labels_is_refused():
    with pytest.raises(Problem, match=r"boxes of 2 labels need 7 numbers"):
        Detect(["a", "b"]).check_network(Network(MAPS, (LAYER,)))
    Detect(["a", "b", "c"]).check_network(Network(MAPS, (LAYER,)))


# --- losses against torchvision -------------------------------------------------------------------------------------

GRID = RegionGrid((48, 72), (6, 9), (2.0, 4.0), 16)  # cells of 8 pixels
TRUE = ((8, 8, 40, 40, 1), (36, 4, 60, 28, 2))


def outputs_for(number: int) -> RegionOutputs:
    regions_ = torch.cat((boxes(14), torch.tensor([[1.2, 1, 5, 5.2], [4.5, 0.6, 7.4, 3.6]])))[None]
    values = [torch.randn(1, *shape, generator=rng()) for shape in ((16, 4), (16, 4), (number,), (number, 4))]
    return RegionOutputs(regions_, *values)


def cells(*rows: tuple[float, ...]) -> torch.Tensor:
    """(1, M, 6) true boxes in cells."""
    true = targets(*rows)[:, 1:].clone()
    true[..., :4] /= 8
    return true


def test_the_loss_of_anchors_is_torchvisions_where_it_draws_all():
    all_anchors = anchors(6, 9, (2.0, 4.0))
    network = RegionProposalNetwork(None, nn.Identity(), 0.7, 0.3, 256, 0.5, {}, {}, 0.7)  # type: ignore[arg-type]
    (labels,), (wanted,) = network.assign_targets_to_anchors([all_anchors], [{"boxes": cells(*TRUE)[0, :, :4]}])
    match = matched(all_anchors[None], cells(*TRUE), 0.3, 0.7, best=True)
    assert torch.equal(match.box[0] >= 0, labels == 1) and torch.equal(match.ignored[0], labels == -1)
    some = torch.cat(((labels == 1).nonzero()[:, 0], (labels == 0).nonzero()[:100, 0]))
    outputs = outputs_for(len(some))
    expected = network.compute_loss(
        outputs.objectness[0], outputs.anchor_deltas[0], [labels[some]],
        [network.box_coder.encode([wanted[some]], [all_anchors[some]])[0]],
    )  # fmt: skip
    # Among these anchors alone, the same ones overlap the boxes most.
    loss = anchor_losses(outputs, all_anchors[some], cells(*TRUE))[0]
    torch.testing.assert_close(loss, torch.stack(expected))


def test_the_loss_of_anchors_is_the_mean_of_many_draws():
    all_anchors = anchors(30, 30, (2.0, 4.0))
    true = cells((80, 80, 100, 100, 0), (30, 30, 63, 60, 1))
    network = RegionProposalNetwork(None, nn.Identity(), 0.7, 0.3, 256, 0.5, {}, {}, 0.7)  # type: ignore[arg-type]
    (labels,), (wanted,) = network.assign_targets_to_anchors([all_anchors], [{"boxes": true[0, :, :4]}])
    outputs = outputs_for(len(all_anchors))
    deltas = network.box_coder.encode([wanted], [all_anchors])[0]
    torch.manual_seed(0)
    draws = [
        torch.stack(network.compute_loss(outputs.objectness[0], outputs.anchor_deltas[0], [labels], [deltas]))
        for _ in range(300)
    ]
    mean = torch.stack(draws).mean(0)
    torch.testing.assert_close(anchor_losses(outputs, all_anchors, true)[0], mean, rtol=0.01, atol=0)


def test_the_loss_of_regions_is_torchvisions():
    outputs, true = outputs_for(1), cells(*TRUE)
    match = matched(outputs.edges, true, 0.5, 0.5)
    assert (match.box[0] >= 0).sum() >= 2 and not match.ignored.any()
    labels = torch.where(match.box[0] >= 0, true[0, match.box[0].clamp_min(0), 4].long() + 1, 0)  # 0 is the background
    wanted = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode([true[0, match.box[0].clamp_min(0), :4]], [outputs.edges[0]])
    logits = outputs.labels[0].roll(1, 1)
    expected = fastrcnn_loss(logits, outputs.deltas[0].repeat(1, 4), [labels], list(wanted))
    torch.testing.assert_close(region_losses(outputs, true)[0], torch.stack(expected))


def test_an_input_without_boxes_and_one_with_a_crowd_have_a_loss():
    logits = torch.randn(1, GRID.count * 12 + 5 * GRID.anchor_count, generator=rng())
    empty = GRID.losses(logits, targets())[0]
    assert torch.isfinite(empty).all() and empty[1] == empty[3] == 0 and empty[0] > 0 and empty[2] > 0
    logits[:, : GRID.count * 4] = boxes(16).flatten()
    crowd = GRID.losses(logits, targets((-40, -40, 120, 90, 1, 1)))[0]
    assert crowd.tolist() == [0, 0, 0, 0]  # all anchors and regions are in the crowd
    decoded = GRID.decoded(logits)
    assert decoded.shape == (1, 16, 7) and (decoded[..., 4:].sum(2) < 1).all()


def test_the_loss_falls_along_its_gradient():
    logits = torch.randn(1, GRID.count * 12 + 5 * GRID.anchor_count, generator=rng())
    logits[:, : GRID.count * 4] = boxes(16).flatten()  # the regions, which have no gradient
    logits.requires_grad_()
    before = GRID.losses(logits, targets(*TRUE)).sum()
    (gradient,) = torch.autograd.grad(before, logits)
    gradient[:, : GRID.count * 4] = 0
    assert GRID.losses(logits - 0.5 * gradient, targets(*TRUE)).sum() < before


# --- the recipe, from data to a file --------------------------------------------------------------------------------


def test_the_recipe_is_one_line_of_text():
    recipe = RECIPES["faster-rcnn"]
    network = Network(recipe.input, recipe.layers(3))
    assert parse(str(network)) == network.layers and network.parameters == 4_490_259
    assert network.rows[-1].input == (96, 40, 40)  # a stride of 8
    Detect(["a", "b", "c"]).check_network(network)


def test_a_state_is_read_back_and_a_damaged_one_refused():
    task = Detect(["a", "b"], [48, 72], [[6, 9]], anchors=[2.0, 4.0], regions=16)
    assert task_of("detect", ["a", "b"], task.state()) == task and task.grid == GRID
    for change in ({"regions": 0}, {"anchors": []}, {"anchors": ["2"]}, {"regions": 1.5}):
        with pytest.raises(Problem, match="the state of the task detect cannot be read"):
            task_of("detect", ["a", "b"], task.state() | change)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of some scenes and that of a short run."""
    root = tmp_path_factory.mktemp("regions")
    scenes = draw(root / "scenes", 60, side=64, most=2, labels=2)
    result = run(
        *("train", "vision", scenes, "--recipe", "faster-rcnn(width=24, units=32)", "--weights", "efficientnet-lite0"),
        *("--set", "size=64", "--epochs", 3, "--out", root / "run", "--set", f"cache={root / 'cache'}", "--json"),
    )
    assert result.exit_code == 0, result.output
    return scenes, root / "run"


def test_a_training_gives_an_ordinary_model(trained, tmp_path):
    scenes, folder = trained
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["task"] == "detect" and summary["metric"] == "ap50" and 0 <= summary["value"] <= 1
    losses = [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
    assert "True and predicted boxes" in (folder / "report.html").read_text()
    metrics = json.loads(run("evaluate", folder, scenes, "--json").stdout)
    assert metrics["value"] == pytest.approx(summary["value"], abs=1e-6)
    rows = json.loads(run("predict", folder, scenes / "0.png", "--json").stdout)
    assert set(rows[0]) == {"input", "boxes", "counts", "size"}
    assert run("predict", folder, scenes / "0.png", "--out", tmp_path / "boxes.csv").exit_code == 0
    assert list(csv.DictReader((tmp_path / "boxes.csv").read_text().splitlines()))


def test_such_a_model_is_explained_attacked_and_exported(trained, tmp_path):
    scenes, folder = trained
    rows = json.loads(run("explain", folder, scenes / "1.png", "--method", "saliency", "--json").stdout)
    assert max(max(line) for line in rows[0]["relevance"]) > 0
    with pytest.raises(Problem, match="lrp does not fit this network: it has no rule for layer 30, regions"):
        run("explain", folder, scenes / "1.png", "--method", "lrp")
    rows = json.loads(run("attack", folder, scenes, "--epsilon", "0.1", "--json").stdout)["rows"]
    assert [row["epsilon"] for row in rows] == [0, 0.1]
    pytest.importorskip("onnx")
    result = run("export", folder, "--out", tmp_path / "model.onnx", "--parity", scenes / "1.png", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parity"]["largest_difference"] < 1e-4


def test_a_model_is_loaded_from_its_file_alone(trained):
    scenes, folder = trained
    first, second = (neocog.load(str(folder / "model.safetensors")) for _ in range(2))
    path = str(scenes / "2.png")
    assert first.predict([path]) == second.predict([path])
