"""Reading masks: pairs of folders, class tables, every form that people save masks in, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from neocog.core.data import Data, DataSpec
from neocog.core.problem import DATA, USAGE, Problem
from neocog.core.targets import TargetSpec
from neocog.vision.check import check
from neocog.vision.data import load, task_of
from neocog.vision.masks.classes import IGNORE, PALETTE, MaskClasses, classes_in, read_table
from neocog.vision.masks.mask import to_form
from neocog.vision.masks.pairs import pairs_among
from neocog.vision.picture import Form, pixels
from PIL import Image

CLASSES = ["sky", "road", "car"]
COLOURS = np.array([[128, 128, 128], [128, 64, 128], [64, 0, 128]], np.uint8)
SIZE = (12, 16)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def mask(seed: int) -> np.ndarray:
    """(H, W) class indices in bands."""
    rng = np.random.default_rng(seed)
    first, second = sorted(rng.integers(2, SIZE[0] - 2, 2).tolist())
    indices = np.zeros(SIZE, np.uint8)
    indices[first:] = 1
    indices[second:, : SIZE[1] // 2] = 2
    return indices


def picture(indices: np.ndarray) -> Image.Image:
    return Image.fromarray((indices * 80 + 20).astype(np.uint8))


def as_grey(indices: np.ndarray) -> Image.Image:
    return Image.fromarray(indices)


def as_palette(indices: np.ndarray) -> Image.Image:
    image = Image.fromarray(indices, "P") if False else Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(COLOURS.ravel().tolist())
    return image


def as_colours(indices: np.ndarray) -> Image.Image:
    return Image.fromarray(COLOURS[indices])


def as_grey_in_colours(indices: np.ndarray) -> Image.Image:
    return Image.fromarray(np.repeat(indices[..., None], 3, 2))


def as_deep(indices: np.ndarray) -> Image.Image:
    return Image.fromarray(indices.astype(np.uint16))


def pairs(
    root: Path,
    save: Callable[[np.ndarray], Image.Image] = as_grey,
    count: int = 12,
    images: str = "images",
    masks: str = "masks",
    table: str | None = "\n".join(CLASSES),
    ending: str = "",
) -> Path:
    """Pictures with masks, and a class table unless it is None."""
    for folder in (images, masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for k in range(count):
        picture(mask(k)).save(root / images / f"{k}.png")
        save(mask(k)).save(root / masks / f"{k}{ending}.png")
    if table is not None:
        (root / "classes.txt").write_text(table + "\n")
    return root


def loaded(root: Path, **options: object) -> Data:
    targets = options.pop("targets", TargetSpec())
    return load(DataSpec(str(root), targets=targets, options=options), None, None)  # type: ignore[arg-type]


def refused(root: Path, code: int = DATA, **options: object) -> str:
    with pytest.raises(Problem) as caught:
        loaded(root, **options)
    assert caught.value.code == code
    return str(caught.value)


def all_masks(data: Data) -> dict[str, np.ndarray]:
    """The mask of each picture by its number, without the padding around it."""
    names = [name for part in data.splits.values() for name in part.names]
    rows = [row for part in data.splits.values() for row in part.targets.numpy()]
    top, left = ((side - length) // 2 for side, length in zip(rows[0].shape, SIZE, strict=True))
    return {Path(n).stem: r[top : top + SIZE[0], left : left + SIZE[1]] for n, r in zip(names, rows, strict=True)}


# --- forms that masks are saved in


@pytest.mark.parametrize("save", [as_grey, as_palette, as_grey_in_colours, as_deep])
def test_every_form_of_index_masks_gives_the_same_targets(save: Callable[..., Image.Image], tmp_path: Path) -> None:
    """Grey, palette, grey saved as RGB and 16 bits: the class index of each pixel, 255 in the padding."""
    data = loaded(pairs(tmp_path / "set", save))
    assert data.target_spec.task == "segment" and data.labels == CLASSES
    assert data.train.targets.dtype == torch.uint8 and tuple(data.train.targets.shape[1:]) == (32, 32)
    for stem, indices in all_masks(data).items():
        assert np.array_equal(indices, mask(int(stem)))
    assert int((data.train.targets != IGNORE).sum()) == len(data.train) * SIZE[0] * SIZE[1]
    assert data.preprocessing["fit"] == "keep" and data.preprocessing["size"] == [32, 32]


COLOUR_TABLES = [
    "128 128 128 sky\n128 64 128 road\n64 0 128 car",
    "128 128 128\tsky\n128 64 128\troad\n64 0 128\tcar\n0 0 0\tVoid",
    "name,r,g,b\nsky,128,128,128\nroad,128,64,128\ncar,64,0,128",
    "#808080 sky\n#804080 road\n#400080 car",
]


@pytest.mark.parametrize("table", COLOUR_TABLES)
@pytest.mark.parametrize("save", [as_colours, as_palette])
def test_colours_are_read_by_a_class_table(save: Callable[..., Image.Image], table: str, tmp_path: Path) -> None:
    data = loaded(pairs(tmp_path / "set", save, table=table))
    assert data.labels == CLASSES
    for stem, indices in all_masks(data).items():
        assert np.array_equal(indices, mask(int(stem)))
    assert data.target_spec.mask_colours == ("#808080", "#804080", "#400080")


def test_a_mask_of_0_and_255_alone_has_two_classes(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", lambda m: as_grey(((m > 0) * 255).astype(np.uint8)), table=None)
    data = loaded(root)
    assert data.labels == ["0", "255"] and data.target_spec.mask_values == ("0", "255")
    assert set(data.train.targets.unique().tolist()) == {0, 1, IGNORE}  # of the padding
    named = loaded(root, targets=TargetSpec(label_names=("background", "thing")))
    assert named.labels == ["background", "thing"] and torch.equal(named.train.targets, data.train.targets)


def test_255_is_ignored_beside_other_indices(tmp_path: Path) -> None:
    def with_border(indices: np.ndarray) -> Image.Image:
        indices = indices.copy()
        indices[0] = 255
        return as_grey(indices)

    data = loaded(pairs(tmp_path / "set", with_border, table=None))
    assert data.labels == ["0", "1", "2"]
    assert any("the value 255 in masks is ignored" in remark for remark in data.remarks)
    assert all((indices[0] == IGNORE).all() for indices in all_masks(data).values())


def test_a_row_called_void_is_ignored_wherever_it_stands(tmp_path: Path) -> None:
    data = loaded(pairs(tmp_path / "set", table="sky\nVoid\ncar"))
    assert data.labels == ["sky", "car"] and data.target_spec.mask_values == ("0", "2")
    assert data.target_spec.mask_ignored == ("1", "255")
    for stem, indices in all_masks(data).items():
        assert np.array_equal(indices, np.array([0, IGNORE, 1], np.uint8)[mask(int(stem))])


def test_the_user_says_which_classes_are_ignored(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    assert loaded(root, ignore="car").labels == ["sky", "road"]
    assert loaded(root, ignore="1, 17").labels == ["sky", "car"]


# --- folders

LAYOUTS = [
    ("images", "masks", ""),
    ("image", "label", ""),
    ("JPEGImages", "SegmentationClass", ""),
    ("pictures", "annotations", "_mask"),
    ("train", "trainannot", ""),
    ("data/train", "data/train_masks", "_mask"),
]


@pytest.mark.parametrize(("images", "masks", "ending"), LAYOUTS)
def test_folders_that_people_keep_masks_in(images: str, masks: str, ending: str, tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", images=images, masks=masks, ending=ending)
    data = loaded(root, targets=TargetSpec(task="segment"))
    assert sum(data.counts.values()) == 12 and not data.bad
    assert all(np.array_equal(indices, mask(int(stem))) for stem, indices in all_masks(data).items())


@pytest.mark.parametrize("inner", [True, False])
def test_splits_around_or_in_the_folders_are_used(inner: bool, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for split, count in (("train", 8), ("val", 3), ("test", 2)):
        folders = (f"images/{split}", f"masks/{split}") if inner else (f"{split}/images", f"{split}/masks")
        pairs(root, count=count, images=folders[0], masks=folders[1])
    data = loaded(root)
    assert data.counts == {"train": 8, "valid": 3, "test": 2} and data.given_splits == {"valid", "test"}


def test_an_archive_is_read_as_its_folder(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    data, packed = loaded(root), loaded(Path(archive))
    assert torch.equal(data.train.targets, packed.train.targets) and data.labels == packed.labels


def test_class_folders_are_no_masks() -> None:
    """Pictures in class folders stay what they were, whatever the classes are called."""
    assert pairs_among([f"{label}/{k}.png" for label in ("cats", "dogs") for k in range(5)]) is None
    assert pairs_among([f"{label}/{label}{k}.png" for label in ("mask", "no mask") for k in range(5)]) is None


def test_masks_follow_their_pictures_to_any_form() -> None:
    """A picture drawn from its mask, brought to a form, is the picture of the mask in that form."""
    rng = np.random.default_rng(0)
    for fit in ("stretch", "pad", "keep", "crop"):
        for size in ((12, 16), (31, 20), (40, 64), (9, 50)):
            coarse = rng.integers(0, 2, (4, 4))
            raw = np.kron(coarse, np.ones((-(-size[0] // 4), -(-size[1] // 4)), int))[: size[0], : size[1]]
            form = Form((24, 32), "grey", fit)
            _, shown = pixels((raw[None] * 255).astype(np.uint8), form)
            moved = to_form(raw.astype(np.int16), form)
            sure = (moved >= 0) & ((shown[0] < 3) | (shown[0] > 252))
            assert np.array_equal(moved[sure] == 1, shown[0][sure] > 127), (fit, size)
            assert sure.sum() > 0.45 * (moved >= 0).sum()
            assert bool((shown[0][moved < 0] == 0).all())


def test_pictures_keep_their_size_up_to_512_and_are_scaled_beyond(tmp_path: Path) -> None:
    def sized(size: tuple[int, int]) -> Path:
        root = tmp_path / f"{size[0]}-{size[1]}"
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True)
        for k in range(4):
            indices = np.zeros(size, np.uint8)
            indices[k + 1 :] = 1
            picture(indices).save(root / "images" / f"{k}.png")
            as_grey(indices).save(root / "masks" / f"{k}.png")
        return root

    assert loaded(sized((180, 240))).preprocessing["size"] == [192, 256]
    large = loaded(sized((600, 800))).preprocessing
    assert (large["size"], large["fit"]) == ([384, 512], "pad")
    assert loaded(sized((20, 30)), size="64x96").preprocessing["size"] == [64, 96]
    mixed = sized((20, 31))
    picture(np.ones((50, 50), np.uint8)).save(mixed / "images" / "x.png")
    as_grey(np.ones((50, 50), np.uint8)).save(mixed / "masks" / "x.png")
    assert loaded(mixed).preprocessing["size"] == [256, 256]


# --- class tables


def test_a_class_table_may_have_any_of_five_forms() -> None:
    lines = {
        "sky\nroad": (("sky", "road"), ("0", "1")),
        "3 sky\n7 road sign": (("sky", "road sign"), ("3", "7")),
        "3: sky\n7: road": (("sky", "road"), ("3", "7")),
        "1 2 3 sky\n4 5 6 road": (("sky", "road"), ("#010203", "#040506")),
        "sky,1,2,3\nroad,4,5,6": (("sky", "road"), ("#010203", "#040506")),
    }
    for text, (names, values) in lines.items():
        classes = read_table(text.splitlines(), "t")
        assert (classes.names, classes.values) == (names, values), text


BROKEN_TABLES = [
    ("sky\n3 road", "t has lines of different forms; expected in all NAME, VALUE NAME"),
    ("sky\nsky", "t has the name sky twice"),
    ("3 sky\n3 road", "t has the value 3 twice"),
    ("300 sky\n3 road", "t, line 1, '300 sky', has a number above 255"),
    ("1 2 3\n4 5 6", "t, line 1, '1 2 3', has no name; expected such as 17 Sky"),
    ("1,5 sky road 2\nx", "t, line 1, '1,5 sky road 2', is no class"),
    ("", "t holds no classes; expected a name in each line"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN_TABLES)
def test_a_broken_class_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(Problem) as caught:
        read_table(text.splitlines() or [""], "t")
    assert message in str(caught.value)


def test_classes_of_masks_without_a_table() -> None:
    assert classes_in([0, 1, 255], (), (), "d") == MaskClasses(("0", "1"), ("0", "1"), ("255",))
    assert classes_in([0, 255], (), (), "d") == MaskClasses(("0", "255"), ("0", "255"))
    assert classes_in([0, 1, 7], (), ("7",), "d") == MaskClasses(("0", "1"), ("0", "1"), ("7", "255"))
    for values, message in (
        (range(200), "hold 199|hold 200 different values, as photographs and smoothed edges do"),
        ([3], "hold one class, the value 3; expected two or more"),
        ([255], "hold no class, only ignored pixels"),
    ):
        with pytest.raises(Problem, match=message):
            classes_in(values, (), (), "d")
    with pytest.raises(Problem, match="--label-names has 3 names, and the masks of d hold 2 values: 0, 1"):
        classes_in([0, 1], ("a", "b", "c"), (), "d")


def as_table(root: Path, header: str = "image,mask,split", **rows: str) -> Path:
    """A table of the pairs of a set, the last third for testing."""
    lines = [f"images/{k}.png,masks/{k}.png,{'test' if k >= 8 else 'train'}" for k in range(12)]
    (root / "pairs.csv").write_text("\n".join([header, *lines, *rows.values()]) + "\n")
    return root / "pairs.csv"


def test_a_table_with_a_picture_and_a_mask_in_each_row_is_read_as_folders(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    by_folders, by_table = loaded(root), loaded(as_table(root))
    expected = all_masks(by_folders)
    assert by_table.counts["test"] == 4
    for stem, indices in all_masks(by_table).items():
        assert np.array_equal(indices, expected[stem])
    assert by_table.labels == by_folders.labels and task_of(str(root / "pairs.csv")) == "segment"
    assert loaded(as_table(root, "file,label,set"), targets=TargetSpec("segment")).labels == by_folders.labels


def test_a_table_of_pairs_that_is_broken_is_refused(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    assert "line 14, lacks a picture or its mask" in refused(as_table(root, row="images/1.png,,train"))
    assert "line 14, names images/1.png or masks/1.png again" in refused(
        as_table(root, row="images/1.png,masks/1.png,")
    )
    message = refused(as_table(root, row="images/99.png,masks/99.png,train"))
    assert "images/99.png does not exist" in message


# --- what is refused, one sentence each


def test_what_is_refused_names_the_picture_and_the_reason(tmp_path: Path) -> None:
    """Each fault alone, in a set of twelve with room for bad ones: the reason stands in the list of bad files."""

    def broken(name: str, change: Callable[[Path], object], **options: object) -> str:
        root = pairs(tmp_path / name)
        change(root)
        spec = DataSpec(str(root), max_bad=0.5, options=options)
        (bad,) = load(spec, None, None).bad
        strict = refused(root)
        assert bad.reason in strict and "more than --max-bad 5%" in strict
        return f"{Path(bad.file).name} {bad.reason}"

    size = broken("size", lambda root: as_grey(np.zeros((5, 7), np.uint8)).save(root / "masks" / "3.png"))
    assert size == "3.png has a mask of 7×5 pixels, and the picture 16×12; expected the same size"
    colour = broken("colour", lambda root: as_colours(mask(3)).save(root / "masks" / "3.png"))
    assert colour.startswith("3.png has a mask that is in colour (such as #804080), where the index of a class was")
    assert "--label-names FILE" in colour
    unknown = broken("unknown", lambda root: as_grey(mask(3) * 9).save(root / "masks" / "3.png"))
    assert "3.png has a mask that holds the value 9 (" in unknown and "which the class table does not have" in unknown
    assert "it has 3 classes" in unknown and "--set ignore=9" in unknown
    missing = broken("missing", lambda root: (root / "masks" / "3.png").unlink())
    assert missing.startswith("3.png has no mask; expected pictures and masks of the same name")
    alone = broken("alone", lambda root: (root / "images" / "3.png").unlink())
    assert alone == "3.png is a mask without a picture"
    text = broken("text", lambda root: (root / "masks" / "3.png").write_text("nothing"))
    assert text.startswith("3.png has a mask that holds text, not a picture")
    cut = broken(
        "cut", lambda root: (root / "masks" / "3.png").write_bytes((root / "masks" / "3.png").read_bytes()[:60])
    )
    assert cut.startswith("3.png has a mask that ")


def test_a_mask_saved_as_jpeg_is_refused(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    (root / "masks" / "3.png").unlink()
    as_grey(mask(3)).save(root / "masks" / "3.jpg")
    assert "has a mask that is a JPEG, whose compression changes values; save masks as PNG" in refused(root)


def test_a_class_table_that_is_too_short_is_refused(tmp_path: Path) -> None:
    message = refused(pairs(tmp_path / "set", table="sky\nroad\nDon't care\n", save=lambda m: as_grey(m + 1)))
    assert "holds the value 3" in message and "it has 2 classes" in message


def test_a_colour_that_no_class_has_is_refused(tmp_path: Path) -> None:
    message = refused(pairs(tmp_path / "set", as_colours, table=COLOUR_TABLES[0].partition("\n64")[0]))
    assert "holds the colour #400080 (" in message and "add it, or save masks without smoothing" in message


def test_masks_without_two_classes_in_training_are_refused(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", lambda m: as_grey(np.zeros(SIZE, np.uint8)))
    assert "the masks for training in" in (message := refused(root)) and "hold one class, sky" in message
    nothing = pairs(tmp_path / "ignored", lambda m: as_grey(np.full(SIZE, 255, np.uint8)))
    assert "hold no class, only ignored pixels" in refused(nothing)


def test_pictures_without_masks_are_refused_where_masks_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    picture(mask(0)).save(tmp_path / "set" / "images" / "0.png")
    message = refused(tmp_path / "set", targets=TargetSpec(task="segment"))
    assert "holds no pictures with masks; expected pictures and masks of the same name in folders beside" in message


def test_what_cuts_masks_is_refused(tmp_path: Path) -> None:
    assert "--fit crop cuts off what masks label" in refused(pairs(tmp_path / "set"), USAGE, fit="crop")


# --- check, and the sets of other people


def test_check_counts_pixels_and_finds_what_training_would(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", table="\n".join([*CLASSES, "bicycle"]))
    as_grey(np.zeros((5, 7), np.uint8)).save(root / "masks" / "3.png")
    report = check(DataSpec(str(root)))
    assert report["task"] == "segment" and report["examples"] == 11
    total = np.bincount(np.concatenate([mask(k).ravel() for k in range(12) if k != 3]), minlength=4)
    assert [entry["pixels"] for entry in report["masks"].values()] == total.tolist()
    assert report["masks"]["sky"]["pictures"] == 11
    assert [Path(bad["file"]).name for bad in report["bad"]] == ["3.png"]
    assert any("no mask for training has bicycle" in problem for problem in report["problems"])
    json.dumps(report)


def test_a_set_keeps_its_colours_and_others_get_distinct_ones(tmp_path: Path) -> None:
    own = loaded(pairs(tmp_path / "own", as_palette)).target_spec.mask_colours
    assert own == ("#808080", "#804080", "#400080")
    assert loaded(pairs(tmp_path / "grey")).target_spec.mask_colours == PALETTE[:3]
    assert len(set(PALETTE)) == len(PALETTE)


def test_the_model_of_a_set_reads_another_one_by_its_classes(tmp_path: Path) -> None:
    """A model's labels and values read masks of a folder without a class table; other labels are refused."""
    run = tmp_path / "run"
    model = neocog.train(
        "vision", str(pairs(tmp_path / "set")), network="conv(4, 3, pad=1), relu, conv(classes, 1)", out=str(run),
        epochs=1, batch=4, device="cpu",
    )  # fmt: skip
    other = pairs(tmp_path / "other", table=None, count=3)
    assert model.evaluate(str(other))["examples"] == 3
    with pytest.raises(Problem, match="has a mask that holds the value 7"):
        model.evaluate(str(pairs(tmp_path / "strange", lambda m: as_grey(m * 7), table=None, count=3)))
