"""Detection: positions and their boxes, the loss, places in files, and a model from its data to its report."""

import csv
import json
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from neocog.commands.output import predictions as print_predictions
from neocog.core.frame import Frame
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.tasks import Detect, box_targets, task_of
from neocog.core.tasks.box_grid import Grid, assign, centreness, decoded, edge_distances, losses, outputs_of, suppressed
from neocog.core.tasks.detect_metrics import confusion, detection_metrics
from neocog.vision.boxes.formats import BoxOptions, read
from neocog.vision.detect_models import RECIPES
from neocog.vision.frames import frame_in
from neocog.vision.movement import Movement
from neocog.vision.picture import Form
from PIL import Image
from scenes import draw
from typer.testing import CliRunner

GRID = Grid((32, 48), ((8, 12), (4, 6)))  # strides of 4 and 8


def targets(*boxes: tuple[float, ...]) -> torch.Tensor:
    """(1, 1 + M, 6) one target of rows left, top, right, bottom, label, crowd."""
    boxes = boxes or ((0, 0, 0, 0, -1),)  # a row without a box
    rows = [list(Frame(32, 48)), *([*box, 0][:6] if len(box) == 5 else list(box) for box in boxes)]
    return torch.tensor([rows], dtype=torch.float32)


def like() -> torch.Tensor:
    return torch.zeros(1)


# --- positions ------------------------------------------------------------------------------------------------------


def test_positions_are_the_middles_of_the_cells_of_all_maps():
    positions = GRID.positions(like())
    assert GRID.count == 120 and positions.centres.shape == (120, 2)
    assert positions.centres[0].tolist() == [2, 2] and positions.centres[13].tolist() == [6, 6]
    assert positions.centres[96].tolist() == [4, 4] and positions.strides[95:97].tolist() == [4, 8]
    assert positions.low[0] == 0 and positions.high[0] == 32 == positions.low[96] and positions.high[96] == torch.inf


def test_a_box_is_predicted_by_the_positions_around_its_middle():
    """Of a box of 16×16 around (16, 16): the cells of stride 4 whose middles are less than 6 pixels from it."""
    assigned = assign(targets((8, 8, 24, 24, 1)), GRID.positions(like()))
    centres = GRID.positions(like()).centres[assigned.box[0] >= 0]
    assert sorted(map(tuple, centres.tolist())) == [(x, y) for x in (14, 18) for y in (14, 18)]


def test_of_two_boxes_a_position_predicts_the_smaller_one():
    boxes = targets((0, 0, 32, 32, 0), (12, 12, 20, 20, 1))
    assigned = assign(boxes, GRID.positions(like()))
    nearest = int((GRID.positions(like()).centres[:96] - 14).abs().sum(1).argmin())
    assert assigned.box[0, nearest] == 1


def test_every_box_is_predicted_by_some_position():
    """However small it is, and wherever it lies."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        corner, side = rng.random(2) * [46, 30], rng.random(2) * [20, 20] + 1
        left, top = corner
        right, bottom = min(48, left + side[0]), min(32, top + side[1])
        assigned = assign(targets((left, top, right, bottom, 0)), GRID.positions(like()))
        assert (assigned.box >= 0).any(), (left, top, right, bottom)


def test_large_boxes_are_left_to_the_coarser_scale():
    grid = Grid((256, 256), ((64, 64), (32, 32)))
    assigned = assign(targets((10, 10, 200, 200, 0)), grid.positions(like()))
    assert (assigned.box[0, : 64 * 64] < 0).all() and (assigned.box[0, 64 * 64 :] >= 0).any()


def test_positions_in_a_crowd_count_neither_way_and_an_input_may_have_no_box():
    assigned = assign(targets((0, 0, 24, 32, 1, 1)), GRID.positions(like()))
    is_inside = GRID.positions(like()).centres[:, 0] < 24
    assert (assigned.box < 0).all() and torch.equal(assigned.ignored[0], is_inside)
    empty = assign(targets(), GRID.positions(like()))
    assert empty.box.shape == (1, 120) and not empty.ignored.any()


def test_centreness_is_1_in_the_middle_and_0_at_an_edge():
    distances = edge_distances(torch.tensor([[5.0, 5], [0, 5], [2.5, 5]]), torch.tensor([0.0, 0, 10, 10]))
    assert centreness(distances).tolist() == pytest.approx([1, 0, (1 / 3) ** 0.5])


# --- outputs and loss -----------------------------------------------------------------------------------------------


def perfect(boxes: torch.Tensor, labels: int = 3, grid: Grid = GRID) -> torch.Tensor:
    """(1, K + 5, 1, L) the logits that say exactly what is assigned."""
    positions = grid.positions(like())
    index = assign(boxes, positions).box[0]
    logits = torch.full((labels + 5, grid.count), -12.0)
    for place in (index >= 0).nonzero()[:, 0].tolist():
        row = boxes[0, 1 + index[place]]
        distances = edge_distances(positions.centres[place], row[:4])
        logits[int(row[4]), place] = 12.0
        logits[labels : labels + 4, place] = (distances.clamp_min(1e-3) / positions.strides[place]).log()
        middle = centreness(distances).clamp(1e-4, 1 - 1e-4)
        logits[-1, place] = middle.logit()
    return logits[None, :, None]


def test_the_loss_is_least_for_what_is_true_and_falls_along_its_gradient():
    boxes = targets((8, 8, 24, 24, 1), (30, 4, 40, 20, 2))
    positions = GRID.positions(like())
    best = losses(perfect(boxes), boxes, positions)[0]
    assert best[0] < 1e-3 and best[1] < 1e-3  # labels and overlaps; the entropy of the centre-ness remains
    logits = torch.randn(1, 8, 1, 120, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for _ in range(3):
        value = losses(logits, boxes, positions).sum()
        (gradient,) = torch.autograd.grad(value, logits)
        logits = (logits - 0.05 * gradient).detach().requires_grad_()
        assert losses(logits, boxes, positions).sum() < value
    assert losses(logits.detach(), targets(), positions)[0, 1:].tolist() == [
        0,
        0,
    ]  # without a box only the labels count


def test_boxes_are_decoded_as_they_were_encoded():
    boxes = targets((8, 8, 24, 24, 1), (30, 4, 40, 20, 2))
    positions = GRID.positions(like())
    edges = outputs_of(perfect(boxes), positions).edges[0]
    index = assign(boxes, positions).box[0]
    for place in (index >= 0).nonzero()[:, 0].tolist():
        assert edges[place].tolist() == pytest.approx(boxes[0, 1 + index[place], :4].tolist(), abs=1e-3)


def test_one_prediction_remains_of_those_that_overlap():
    boxes = targets((8, 8, 24, 24, 1), (30, 4, 40, 20, 2))
    rows = suppressed(decoded(perfect(boxes), GRID.positions(like())), GRID.size)[0]
    kept = rows[rows[:, 4] > 0.1]
    assert sorted(kept[:, 5].tolist()) == [1, 2]
    assert kept[kept[:, 5] == 1][0, :4].tolist() == pytest.approx([8, 8, 24, 24], abs=0.01)
    assert (rows[len(rows) // 2 :] == 0).all()


def test_a_perfect_prediction_has_average_precision_1():
    boxes = targets((8, 8, 24, 24, 1), (30, 4, 40, 20, 2))
    rows = suppressed(decoded(perfect(boxes), GRID.positions(like())), GRID.size)
    metrics = detection_metrics(rows.numpy().repeat(2, 0), boxes.numpy().repeat(2, 0), ["a", "b", "c"], [0.3] * 3)
    assert metrics["ap50"] == 1 and metrics["ap"] > 0.95 and metrics["interval"] == [1.0, 1.0]
    assert [row["ap50"] for row in metrics["classes"]] == [None, 1.0, 1.0]
    assert metrics["confusion"] == [[0] * 4, [0, 2, 0, 0], [0, 0, 2, 0], [0] * 4]


def test_the_matrix_has_missed_invented_and_mistaken_boxes():
    boxes = targets((0, 0, 10, 10, 0), (20, 20, 30, 30, 1)).numpy()
    rows = np.zeros((1, 5, 6), np.float32)
    rows[0, :3] = [[0, 0, 10, 10, 0.9, 1], [40, 0, 45, 9, 0.8, 0], [20, 20, 30, 30, 0.1, 1]]
    assert confusion(rows, boxes, [0.3, 0.3]).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


# --- targets and places ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_boxes_go_into_the_input_and_back(fit):
    frame = frame_in((60, 100), Form((64, 64), "rgb", fit))
    edges = [30.0, 20.0, 60.0, 40.0]
    back = frame.into_file(np.array([frame.into_input(edges)]))
    assert back[0].tolist() == pytest.approx(edges)
    if fit == "pad":
        assert frame.into_input([0, 0, 100, 60]) == pytest.approx([0, 13, 64, 51])


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_a_box_around_a_bright_square_stays_around_it_in_every_form(fit):
    from neocog.vision.picture import resize

    picture = np.zeros((60, 100), np.uint8)
    picture[20:40, 30:60] = 255
    form = Form((64, 64), "grey", fit)
    small = np.asarray(resize(Image.fromarray(picture), form)) > 127
    rows, columns = np.nonzero(small)
    left, top, right, bottom = frame_in((60, 100), form).into_input([30, 20, 60, 40])
    assert columns.min() == pytest.approx(left, abs=1) and columns.max() + 1 == pytest.approx(right, abs=1)
    assert rows.min() == pytest.approx(top, abs=1) and rows.max() + 1 == pytest.approx(bottom, abs=1)


def test_the_text_of_a_target_is_read_as_it_was_written():
    boxes = [("cat", 1.5, 2, 3, 4, True), ("ä dog", 0, 0, 9, 9, False)]
    target = box_targets.read(box_targets.write(Frame(10, 20), boxes))
    assert target.frame == Frame(10, 20) and [tuple(box) for box in target.boxes] == boxes
    table = box_targets.encode([target, box_targets.read(box_targets.write(Frame(1, 1), []))], ["cat", "ä dog"])
    assert table.shape == (2, 3, 6) and table[0, 1].tolist() == [1.5, 2, 3, 4, 0, 1]
    assert len(box_targets.boxes_of(table[1].numpy())) == 0


def test_what_comes_from_beyond_the_border_is_blank():
    """A reflected object would have no box."""
    from neocog.core.augmentation import augmentation
    from neocog.vision import DOMAIN

    task = Detect(["a"], [32, 32], [[8, 8]])
    x = torch.full((4, 3, 32, 32), 200, dtype=torch.uint8)
    moved, _ = augmentation(DOMAIN, task, "translate(0.4)", {}).inputs(
        x, targets((8, 4, 24, 20, 0)).expand(4, -1, -1), torch.Generator().manual_seed(0)
    )
    assert (moved == 0).any() and ((moved == 0) | (moved == 200)).all()


def test_boxes_are_mirrored_with_their_pixels_and_dropped_where_little_remains():
    task = Detect(["a", "b"], [32, 48], [[8, 12], [4, 6]])
    grid = (torch.arange(32)[None], torch.arange(48).flip(0)[None])
    mirrored = task.moved(targets((8, 4, 24, 20, 1)), Movement(grid=grid))
    assert mirrored[0, 1].tolist() == [24, 4, 40, 20, 1, 0]
    shifted = (torch.arange(32)[None] - 28, torch.arange(48)[None])  # by 28 rows: 8 of 16 would be below
    assert task.moved(targets((8, 4, 24, 20, 1)), Movement(grid=shifted))[0, 1, 4] == -1


def test_a_state_is_read_back_and_a_damaged_one_refused():
    task = Detect(["a", "b"], [32, 48], [[8, 12], [4, 6]], 3.5, [0.2, 0.4])
    assert task_of("detect", ["a", "b"], task.state()) == task
    for change in ({"levels": []}, {"size": [1]}, {"thresholds": [0.1]}, {"positives": 0}):
        with pytest.raises(Problem, match="the state of the task detect cannot be read"):
            task_of("detect", ["a", "b"], task.state() | change)


def test_a_network_that_gives_no_positions_is_refused():
    with pytest.raises(Problem, match=r"boxes of 2 labels need 7 numbers for each position: end it with scales"):
        Detect(["a", "b"]).check_network(Network((3, 8, 8), parse("conv(7, 3)")))


# --- recipes --------------------------------------------------------------------------------------------------------

PARAMETERS = {"detector": 1_322_160, "lite0-detector": 3_877_392}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_recipe_predicts_at_two_strides_and_is_one_line_of_text(name):
    recipe = RECIPES[name]
    network = Network(recipe.input, recipe.layers(3))
    assert parse(str(network)) == network.layers and network.parameters == PARAMETERS[name]
    Detect(["a", "b", "c"]).check_network(network)
    levels = [branch[-1].output[1:] for branch in network.rows[-1].branches]
    assert [recipe.input[1] // level[0] for level in levels] == ([4, 8] if name == "detector" else [8, 16])
    with torch.inference_mode():
        assert network.module().eval()(torch.randn(1, *recipe.input)).shape == (1, *network.output)


# --- from data to a report ------------------------------------------------------------------------------------------


def run(*arguments: object):
    from neocog.cli import app

    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of some scenes and that of a short run."""
    root = tmp_path_factory.mktemp("detect")
    scenes = draw(root / "scenes", 90, side=48, most=2, labels=2)
    result = run(
        *("train", "vision", scenes, "--recipe", "detector(width=8)", "--set", "size=48", "--epochs", 6, "--batch", 8),
        *("--out", root / "run", "--set", f"cache={root / 'cache'}", "--json"),
    )
    assert result.exit_code == 0, result.output
    return scenes, root / "run"


def test_a_training_is_recognised_measured_and_reported(trained):
    _, folder = trained
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["task"] == "detect" and summary["metric"] == "ap50" and 0 <= summary["value"] <= 1
    assert len(summary["interval"]) == 2 and summary["labels"] == ["0", "1"]
    assert "COCO JSON: " in summary["remarks"][0] and "for --task detect" in summary["remarks"][0]
    losses = [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.8 * losses[0]
    report = (folder / "report.html").read_text()
    assert "True and predicted boxes" in report and "Examples with most errors" in report
    assert (folder / "confusion.png").exists()


def test_predictions_are_boxes_in_pixels_of_the_file(trained, tmp_path):
    scenes, folder = trained
    model = neocog.load(str(folder))
    picture = Image.open(scenes / "3.png").resize((96, 80))
    picture.save(tmp_path / "wide.png")
    model.task = Detect(**{**vars(model.task), "thresholds": [0.02, 0.02]})
    (row,) = model.predict([str(tmp_path / "wide.png")])
    assert row["size"] == [80, 96] and row["boxes"] and row["counts"].keys() == {"0", "1"}
    assert sum(row["counts"].values()) == len(row["boxes"])
    for box in row["boxes"]:
        left, top, right, bottom = box["box"]
        assert 0 <= left <= right <= 96 and 0 <= top <= bottom <= 80 and 0 < box["probability"] <= 1
    print_predictions([row], model.task)


def test_predictions_are_written_as_json_csv_and_drawings(trained, tmp_path):
    scenes, folder = trained
    files = [scenes / "0.png", scenes / "1.png"]
    rows = json.loads(run("predict", folder, *files, "--json").stdout)
    assert [set(row) for row in rows] == [{"input", "boxes", "counts", "size"}] * 2
    assert run("predict", folder, *files, "--out", tmp_path / "boxes.csv").exit_code == 0
    table = list(csv.DictReader((tmp_path / "boxes.csv").read_text().splitlines()))
    assert len(table) == sum(max(1, len(row["boxes"])) for row in rows)
    assert list(table[0]) == ["input", "class", "xmin", "ymin", "xmax", "ymax", "probability"]
    assert run("predict", folder, *files, "--draw", tmp_path / "drawn").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["0.png", "1.png"]
    with Image.open(tmp_path / "drawn" / "0.png") as image:
        assert image.size == (48, 48)


def test_predictions_as_a_table_are_boxes_that_can_be_read_again(trained, tmp_path):
    scenes, folder = trained
    run("predict", folder, scenes / "0.png", "--out", tmp_path / "boxes.csv")
    assert read(str(tmp_path / "boxes.csv"), BoxOptions())[2] == "csv"


def test_an_evaluation_gives_the_figures_of_the_run(trained):
    scenes, folder = trained
    metrics = json.loads(run("evaluate", folder, scenes, "--json").stdout)
    summary = json.loads((folder / "summary.json").read_text())
    assert metrics["value"] == pytest.approx(summary["value"], abs=1e-6)
    assert metrics["confusion"] == summary["confusion"]
    assert "AP50" in run("evaluate", folder, scenes).stdout


def test_a_stopped_run_ends_with_the_same_weights(trained, tmp_path):
    from neocog.core import checkpoint
    from neocog.core.fit import Step

    scenes, _ = trained
    options = {"size": 48, "cache": str(tmp_path / "cache")}
    arguments = {"recipe": "detector(width=8)", "epochs": 2, "batch": 16, "options": options}
    complete, stopped = tmp_path / "complete", tmp_path / "stopped"
    neocog.train("vision", str(scenes), out=str(complete), **arguments)

    def stop(event: object) -> bool:
        return isinstance(event, Step) and event.number == 3

    with pytest.raises(Problem):
        neocog.train("vision", str(scenes), out=str(stopped), callback=stop, **arguments)
    assert run("resume", stopped, "--quiet").exit_code == 0
    first, second = (checkpoint.read_tensors(folder / "model.safetensors") for folder in (complete, stopped))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_is_explained_and_exported(trained, tmp_path):
    scenes, folder = trained
    rows = json.loads(run("explain", folder, scenes / "1.png", "--method", "saliency,lrp", "--json").stdout)
    assert {row["method"] for row in rows} == {"saliency", "lrp"}
    assert rows[0]["size"] == [48, 48] and rows[0]["label"] in ("0", "1")
    pytest.importorskip("onnx")
    result = run("export", folder, "--out", tmp_path / "model.onnx", "--parity", scenes, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["parity"]["largest_difference"] < 1e-4
    assert summary["parity"]["equal_labels"] == summary["parity"]["examples"]


def test_other_commands_take_such_a_model(trained, tmp_path):
    scenes, folder = trained
    assert run("features", folder, scenes, "--out", tmp_path / "f.npz").exit_code == 0
    assert run("imagine", folder, "--steps", 1, "--label", "0", "--out", tmp_path / "i.png").exit_code == 0
    assert run("evaluate", folder, scenes, "--predictions", tmp_path / "p.csv").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert {row["label"] for row in rows} <= {"no box", "1 0", "1 1", "1 0, 1 1", "2 0", "2 1"}


def test_an_attack_lowers_the_precision_and_random_signs_do_not(trained):
    scenes, folder = trained
    rows = json.loads(run("attack", folder, scenes, "--part", "all", "--epsilon", "0.1", "--json").stdout)["rows"]
    assert [row["epsilon"] for row in rows] == [0, 0.1]
    assert rows[1]["accuracy"] < rows[0]["accuracy"] and rows[1]["accuracy"] < rows[1]["random"]


def test_a_box_is_explained_by_the_position_that_predicts_it(trained):
    """The label of the position nearest to a chosen box depends on pixels around that box."""
    from neocog.core.explain.explained import explain
    from neocog.core.inputs import FileInput

    scenes, folder = trained
    model = neocog.load(str(folder), "cpu")
    values = json.loads((scenes / "annotations.json").read_text())
    counts = [sum(entry["image_id"] == number for entry in values["annotations"]) for number in range(90)]
    number = counts.index(2)
    for entry in values["annotations"]:
        if entry["image_id"] != number:
            continue
        left, top, width, height = entry["bbox"]
        region = (left, top, left + width, top + height)
        (result,) = explain(model, [FileInput(str(scenes / f"{number}.png"))], "gradient-input", region=region)
        relevance = result.relevance.abs()
        near = relevance[max(0, top - 4) : top + height + 4, max(0, left - 4) : left + width + 4]
        assert near.mean() > 1.5 * relevance.mean()
    task = Detect(["a", "b"], [32, 48], [[8, 12], [4, 6]]).focused((8, 8, 24, 24))
    logits = torch.randn(1, 7, 1, 120, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(task.scalars(logits)[0, 1], logits)
    assert len(gradient[0].abs().sum((0, 1)).nonzero()) == 1 and gradient[0, 1].sum() == 1


def test_data_are_checked_with_a_sheet(trained, tmp_path):
    scenes, _ = trained
    result = run("check", "vision", scenes, "--sheet", tmp_path / "sheet.png", "--json")
    findings = json.loads(result.stdout)
    assert findings["task"] == "detect" and set(findings["boxes"]) == {"0", "1"} and findings["without_boxes"] > 0
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.width > 1000


def test_only_pictures_without_boxes_are_refused(tmp_path):
    folder = draw(tmp_path / "empty", 8, most=0)
    with pytest.raises(Problem, match="no training example has a box; expected some with boxes"):
        neocog.train("vision", str(folder), task="detect", out=str(tmp_path / "run"))


def test_another_task_is_refused_for_boxes(tmp_path):
    folder = draw(tmp_path / "scenes", 4)
    with pytest.raises(Problem):
        neocog.train("vision", str(folder), task="regress", out=str(tmp_path / "run"))


@pytest.mark.slow
def test_digits_in_drawn_scenes_are_detected(tmp_path):
    """AP50 of at least 0.97 and AP of at least 0.75, within 10 minutes of a processor."""
    scenes = draw(tmp_path / "scenes", 1500)
    result = run(
        *("train", "vision", scenes, "--recipe", "detector(width=16)", "--set", "size=96", "--epochs", 40),
        *("--out", tmp_path / "run", "--set", f"cache={tmp_path / 'cache'}", "--json"),
    )
    summary = json.loads(result.stdout)
    assert summary["ap50"] >= 0.97 and summary["ap"] >= 0.75
