"""Segmentation from files to predictions: training, the command line, tiles, losses, exports."""

import json
from dataclasses import replace
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from neocog.cli import app
from neocog.core.data import DataSpec
from neocog.core.domain import Augment
from neocog.core.explain.explained import explain
from neocog.core.inputs import FileInput
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.core.places import Layout
from neocog.core.problem import USAGE, Problem
from neocog.core.settings import Settings
from neocog.core.tasks import Segment, masks
from neocog.core.tasks.masks import PALETTE
from neocog.core.tasks.segment import dice_loss
from neocog.vision.augment import augment
from neocog.vision.data import load
from PIL import Image
from torch.nn import functional as F
from typer.testing import CliRunner

LABELS = ["ground", "disc", "box"]
NETWORK = (
    "conv(8, 3, pad=1), relu, parallel((), (maxpool(2), conv(16, 3, pad=1), relu, conv(8, 1), upsample(2))), "
    "conv(8, 3, pad=1), relu, conv(classes, 1)"
)
TASK = Segment(LABELS, [0, 1, 2], list(masks.PALETTE[:3]))


def scene(seed: int, height: int = 32, width: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and class indices of a bright disc and a dark box on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    indices = np.zeros((height, width), np.uint8)
    cy, cx = rng.integers(8, height - 8), rng.integers(8, width - 8)
    indices[(y - cy) ** 2 + (x - cx) ** 2 < 30] = 1
    top, left = rng.integers(0, height - 10), rng.integers(0, width - 12)
    indices[top : top + 9, left : left + 11] = 2
    levels = np.array([110, 210, 30])[indices] + rng.integers(-25, 25, indices.shape)
    return levels.astype(np.uint8), indices


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for k in range(24):
        pixels, indices = scene(k)
        Image.fromarray(pixels).save(root / "images" / f"{k}.png")
        Image.fromarray(indices * 40).save(root / "masks" / f"{k}.png")
    (root / "classes.txt").write_text("0 ground\n40 disc\n80 box\n")
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned the scenes."""
    path = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(path.parent / "cache"))
        neocog.train(
            "vision", str(folder), network=NETWORK, out=str(path), epochs=25, batch=4, lr=0.02, augment="flip, crop(3)",
            device="cpu",
        )  # fmt: skip
    return path


@pytest.fixture
def model(run: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("NEOCOG_CACHE", str(run.parent / "cache"))
    return neocog.load(str(run), "cpu")


def command(*words: object) -> tuple[int, str]:
    completed = CliRunner().invoke(app, [str(word) for word in words])
    if completed.exception and not isinstance(completed.exception, SystemExit):
        raise completed.exception
    return completed.exit_code, completed.stdout


def test_it_learns_the_scenes(run: Path, folder: Path, model: Model) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["task"] == "segment" and summary["labels"] == LABELS
    assert summary["mean_iou"] > 0.85 and summary["boundary_f1"] > 0.8
    low, high = summary["interval"]
    assert low <= summary["value"] <= high
    page = (run / "report.html").read_text()
    assert "Worst pictures" in page and "Best pictures" in page and page.count("data:image/png") > 8
    assert model.task.values == [0, 40, 80]


def test_a_predicted_mask_is_a_mask_of_the_set(folder: Path, run: Path, model: Model, tmp_path: Path) -> None:
    """The PNG holds the values of the training masks, at the size of the picture, and nearly equals the true mask."""
    code, out = command("predict", run, folder / "images" / "3.png", "--out", tmp_path / "out", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["size"] == [32, 48] and row["mask"] == str(tmp_path / "out" / "mask" / "3.png")
    with Image.open(row["mask"]) as written, Image.open(row["overlay"]) as overlay:
        assert written.mode == "P" and written.size == (48, 32) and overlay.size == (48, 32)
        values = np.asarray(written)
    assert set(np.unique(values)) <= {0, 40, 80}
    assert (values == scene(3)[1] * 40).mean() > 0.95
    shares = {entry["label"]: entry["share"] for entry in row["shares"]}
    assert shares["box"] == pytest.approx((values == 80).mean()) and sum(shares.values()) == pytest.approx(1)
    table = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert table[0] == "input,mask,share ground,share disc,share box" and len(table) == 2
    with pytest.raises(Problem, match="is not empty"):
        command("predict", run, folder / "images" / "3.png", "--out", tmp_path / "out")


def test_a_larger_picture_is_predicted_in_tiles(model: Model, tmp_path: Path) -> None:
    """A scene of four times the area, through overlapping tiles at its own scale."""
    pixels, indices = (np.block([[a, b], [c, d]]) for a, b, c, d in zip(*(scene(k) for k in range(4)), strict=True))
    Image.fromarray(pixels).save(tmp_path / "large.png")
    windows = model.windows(FileInput(str(tmp_path / "large.png")))
    assert len(windows.inputs) > 4 and windows.layout is not None and windows.layout.size == (64, 96)
    (row,) = model.predict([str(tmp_path / "large.png")])
    predicted = masks.index_of(masks.from_text(row["mask"]), model.task.values)
    assert predicted.shape == (64, 96) and (predicted == indices).mean() > 0.93


def test_a_smaller_picture_is_predicted_at_its_size(model: Model, tmp_path: Path) -> None:
    pixels, indices = scene(5)
    Image.fromarray(pixels[4:25, 6:40]).save(tmp_path / "small.png")
    (row,) = model.predict([str(tmp_path / "small.png")])
    predicted = masks.index_of(masks.from_text(row["mask"]), model.task.values)
    assert predicted.shape == (21, 34) and (predicted == indices[4:25, 6:40]).mean() > 0.85


def test_the_mirrored_view_is_mirrored_back(model: Model) -> None:
    """With two views the prediction of a mirrored picture is the mirrored prediction, exactly."""
    x = torch.from_numpy(np.stack([scene(k)[0] for k in range(3)]))[:, None]
    with torch.inference_mode():
        both, mirrored = model.logits(x), model.logits(x.flip(-1))
    torch.testing.assert_close(mirrored.flip(-1), both, rtol=1e-4, atol=1e-4)
    assert len(model.module.views) == 2


def test_an_explanation_points_at_the_region(model: Model, folder: Path) -> None:
    """The score of the disc depends most on pixels of the disc."""
    for method in ("saliency", "gradient-input", "gradcam", "occlusion", "lrp"):
        (result,) = explain(model, [FileInput(str(folder / "images" / "2.png"))], method, ["disc"])
        height, width = result.relevance.shape
        disc = np.zeros((height, width), bool)
        top, left = (height - 32) // 2, (width - 48) // 2
        disc[top : top + 32, left : left + 48] = scene(2)[1] == 1
        relevance = result.relevance.abs().numpy()
        assert relevance[disc].mean() > 3 * relevance[~disc].mean(), method


def test_a_region_of_a_picture_is_explained(model: Model, folder: Path) -> None:
    """The mean score of the pixels in a box depends on pixels in and around it alone."""
    source = [FileInput(str(folder / "images" / "2.png"))]
    disc = np.argwhere(scene(2)[1] == 1)
    (top, left), (bottom, right) = disc.min(0), disc.max(0) + 1
    (result,) = explain(model, source, "saliency", region=(left, top, right, bottom))
    assert result.label == "disc" and result.value > 0.5
    height, width = result.relevance.shape
    rows = slice(max(0, (height - 32) // 2 + top - 8), (height - 32) // 2 + bottom + 8)
    columns = slice(max(0, (width - 48) // 2 + left - 8), (width - 48) // 2 + right + 8)
    inside = result.relevance[rows, columns].abs().sum()
    assert inside > 0.8 * result.relevance.abs().sum()
    (ground,) = explain(model, source, "saliency", ["ground"], region=(left, top, right, bottom))
    assert ground.label == "ground" and ground.value < 0.5


def test_a_region_that_is_none_is_refused(run: Path, model: Model, folder: Path, tmp_path: Path) -> None:
    picture = folder / "images" / "2.png"
    for region, message in (
        ("1,2,3", "--region is LEFT,TOP,RIGHT,BOTTOM, as in 20,10,60,80; got 1,2,3"),
        ("a,2,3,4", "--region is LEFT,TOP,RIGHT,BOTTOM"),
        ("5,5,5,9", "is not in"),
        ("0,0,49,9", "expected left,top,right,bottom within 0,0,48,32"),
    ):
        with pytest.raises(Problem) as refusal:
            command("explain", run, picture, "--region", region)
        assert message in str(refusal.value) and refusal.value.code == USAGE
    Image.fromarray(scene(3, 96, 128)[0]).save(tmp_path / "large.png")
    with pytest.raises(Problem, match="tiles, and a region is explained in a picture of the training size"):
        command("explain", run, tmp_path / "large.png", "--region", "0,0,9,9")


def test_pictures_are_shown_with_their_masks_on_a_sheet(folder: Path, tmp_path: Path) -> None:
    code, _ = command("check", "vision", folder, "--sheet", tmp_path / "sheet.png")
    assert code == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert pixels.shape[1] > 1000
    for colour in PALETTE[:3]:  # of the legend, in full
        red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        assert (abs(pixels - (red, green, blue)).sum(2) == 0).sum() >= 14 * 14


def test_sides_that_cannot_be_halved_are_refused_with_those_that_can(folder: Path, tmp_path: Path) -> None:
    for network, sides in (("unet(width=4, depth=3)", "40×56"), ("farabet(levels=2, width=2, hidden=4)", "40×52")):
        with pytest.raises(Problem) as refusal:
            neocog.train("vision", str(folder), recipe=network, out=str(tmp_path / "run"), options={"size": "37x50"})
        assert f"than inputs of 37×50 can be halved; give it {sides}" in str(refusal.value)


def test_an_attack_lowers_the_share_of_right_pixels(run: Path, model: Model, folder: Path) -> None:
    code, out = command("attack", run, folder, "--epsilon", "0.1,0.3", "--json")
    rows = json.loads(out)["rows"]
    assert code == 0 and rows[0]["accuracy"] > 0.95 and rows[2]["accuracy"] < rows[0]["accuracy"] - 0.05
    assert all(row["interval"][0] <= row["accuracy"] <= row["interval"][1] for row in rows)
    code, out = command("attack", run, folder, "--card", "--corrupt", "noise", "--json")
    assert code == 0 and 0 < json.loads(out)["mean"] < 1


def test_check_and_evaluate_speak_of_masks(run: Path, model: Model, folder: Path) -> None:
    code, out = command("check", "vision", folder)
    assert code == 0 and "ground: share" in out and "task: segment" in out
    code, out = command("evaluate", run, folder)
    assert code == 0 and "mean IoU" in out and "boundary F1" in out


def test_an_evaluation_writes_a_row_for_each_picture(run: Path, model: Model, folder: Path, tmp_path: Path) -> None:
    code, _ = command("evaluate", run, folder, "--predictions", tmp_path / "rows.csv", "--part", "all")
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert code == 0 and len(lines) == 25
    assert lines[0] == "input,mask,share ground,share disc,share box,mean_iou,pixel_accuracy"
    cells = [line.split(",") for line in lines[1:]]
    assert all(0.5 < float(row[-2]) <= 1 and sum(map(float, row[2:5])) == pytest.approx(1, abs=1e-4) for row in cells)


def test_folds_give_the_metrics_of_all_pictures(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    code, out = command(
        "train", "vision", folder, "--network", "conv(4, 3, pad=1), relu, conv(classes, 1)", "--epochs", "1", "--folds",
        "3", "--out", tmp_path / "folds", "--json", "--device", "cpu",
    )  # fmt: skip
    summary = json.loads(out)
    assert code == 0 and summary["examples"] == 24 and summary["scored_on"] == "out-of-fold"
    assert len((tmp_path / "folds" / "predictions.csv").read_text().splitlines()) == 25


# --- losses


def logits_and_targets(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 3, (4, 6, 7), generator=rng).to(torch.uint8)
    targets[torch.rand(targets.shape, generator=rng) < 0.2] = 255
    return torch.randn(4, 3, 6, 7, generator=rng), targets


def test_the_loss_is_the_mean_over_pictures_of_that_of_their_pixels() -> None:
    """Equal to the sum over micro-batches, and blind to what ignored pixels hold."""
    logits, targets = logits_and_targets()
    expected = torch.stack(
        [F.cross_entropy(x[None], y[None].long(), ignore_index=255) for x, y in zip(logits, targets, strict=True)]
    ).mean()
    torch.testing.assert_close(TASK.loss(logits, targets), expected)
    changed = torch.where((targets == 255)[:, None], torch.full_like(logits, 9.0), logits)
    torch.testing.assert_close(TASK.loss(changed, targets), expected)
    nothing = torch.full_like(targets, 255)
    assert float(TASK.loss(logits, nothing)) == 0


def test_the_losses_of_the_counts_are_those_of_training() -> None:
    logits, targets = logits_and_targets()
    rows = TASK.measured(TASK.link(logits), targets).numpy()
    assert TASK.example_losses(rows, targets.numpy()).mean() == pytest.approx(
        float(TASK.loss(logits, targets)), rel=1e-5
    )


def test_dice_is_0_for_a_perfect_mask_and_near_1_for_a_wrong_one() -> None:
    _, targets = logits_and_targets()
    valid = targets != 255
    perfect = 40 * F.one_hot(targets.long().where(valid, 0), 3).permute(0, 3, 1, 2).float()
    assert float(dice_loss(perfect, targets.long(), valid)) < 1e-4
    assert float(dice_loss(perfect.roll(1, 1), targets.long(), valid)) > 0.99
    half = replace(TASK, dice=0.5)
    expected = 0.5 * TASK.loss(perfect.roll(1, 1), targets) + 0.5 * dice_loss(perfect.roll(1, 1), targets.long(), valid)
    torch.testing.assert_close(half.loss(perfect.roll(1, 1), targets), expected)


def test_balance_weighs_labels_by_their_pixels() -> None:
    """A label with a tenth of the pixels weighs as much as all others together."""
    task = replace(TASK, pixels=[100, 100, 10]).configured(Settings(balance="loss"))
    logits = torch.zeros(1, 3, 1, 2)
    common, rare = (float(task.loss(logits, torch.full((1, 1, 2), k, dtype=torch.uint8))) for k in (0, 2))
    assert rare == pytest.approx(10 * common)
    for balance in ("sample", "logit"):
        with pytest.raises(Problem, match=f"--balance {balance} is for a label for each example") as caught:
            TASK.configured(Settings(balance=balance))
        assert caught.value.code == USAGE


def test_a_network_that_gives_no_mask_is_refused_with_the_remedy() -> None:
    for text in ("flatten, dense(3)", "conv(3, 3)", "conv(3, 1), maxpool(2)"):
        with pytest.raises(Problem, match=r"end it with conv\(classes, 1\), and upsample\(k\)"):
            TASK.check_network(Network((1, 8, 8), parse(text)))
    TASK.check_network(Network((1, 8, 8), parse("maxpool(2), conv(3, 1), upsample(2)")))


def test_recipes_are_for_their_task(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Problem, match="take a recipe such as unet"):
        neocog.train("vision", str(folder), recipe="swift", out=str(tmp_path / "a"), epochs=1)
    for label in ("a", "b"):
        (tmp_path / "classes" / label).mkdir(parents=True)
        for k in range(6):
            Image.fromarray(scene(k)[0]).save(tmp_path / "classes" / label / f"{k}{label}.png")
    with pytest.raises(Problem, match="--recipe unet is for the task segment, and the task of these data is classify"):
        neocog.train("vision", str(tmp_path / "classes"), recipe="unet", out=str(tmp_path / "b"), epochs=1)


def test_masks_move_with_pixels_in_training(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture that is its own mask, the moved picture is the moved mask."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    data = load(DataSpec(str(folder)), None, None)
    moving: Augment = augment("flip, flipud, crop(6)", {}).moving(TASK.moved)
    targets = data.train.targets
    pictures, moved = moving.inputs(targets[:, None], targets, torch.Generator().manual_seed(0))
    inside = moved != 255
    assert torch.equal(pictures[:, 0][inside], moved[inside]) and not torch.equal(moved, targets)


def test_a_prediction_that_is_not_finite_is_a_problem() -> None:
    with pytest.raises(FloatingPointError):
        TASK.placed_row(lambda indices: torch.full((1, 3, 4, 4), torch.nan), Layout((4, 4)))


def test_a_state_that_is_no_state_is_refused() -> None:
    for state in (
        {"values": [0, 1], "colours": TASK.colours},
        {"values": [0, 1, 300], "colours": TASK.colours},
        {"values": [0, 1, 2], "colours": ["red", "#00ff00", "#0000ff"]},
    ):
        with pytest.raises(TypeError):
            Segment.from_state(LABELS, state)
    assert Segment.from_state(LABELS, TASK.state()).state() == TASK.state()
