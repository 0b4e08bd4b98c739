"""neocog align: the losses, the maps, the models in one space, and tables that cannot be used."""

import csv
import json

import numpy as np
import pytest
import torch
from neocog.core.retrieval.alignment import (
    AlignmentSettings,
    LinearMap,
    Standardised,
    align,
    distinct,
    infonce,
    mean_average_precision,
    ranking,
)
from PIL import Image

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (40, 60, 230),
    "white": (230, 230, 230),
    "black": (20, 20, 20),
}
WORDS = {
    "red": "warm ruby fire",
    "green": "grass leaf meadow",
    "blue": "sea sky ocean",
    "white": "snow milk cloud",
    "black": "night coal ink",
}


# --- losses ----------------------------------------------------------------------------------------------------------


def test_infonce_is_the_mean_of_two_cross_entropies():
    """With a label for each pair, rows and columns are classified by softmax (Radford et al. 2021, figure 3)."""
    cosines = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    logits, targets = cosines / 0.1, torch.arange(5)
    both = [torch.nn.functional.cross_entropy(x, targets) for x in (logits, logits.T)]
    loss = infonce(cosines, torch.eye(5, dtype=torch.bool), AlignmentSettings(temperature=0.1))
    torch.testing.assert_close(loss, (both[0] + both[1]) / 2)


def test_infonce_of_equal_labels_is_the_share_of_the_softmax_that_they_have():
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    cosines = torch.rand(3, 3, generator=torch.Generator().manual_seed(0))
    shares = [
        float((row.exp()[alike].sum() / row.exp().sum()).log())
        for matrix in (cosines, cosines.T)
        for row, alike in zip(matrix, same, strict=True)
    ]
    assert infonce(cosines, same, AlignmentSettings(temperature=1.0)) == pytest.approx(-np.mean(shares))


def test_ranking_is_the_hinge_of_devise():
    """Σ max(0, margin − c(pair) + c(other)), by hand for one pair that wins by enough and one that does not."""
    cosines = torch.tensor([[0.9, 0.2], [0.55, 0.6]])
    rows = [0.0, 0.1 - 0.6 + 0.55]
    columns = [0.0, 0.0]
    loss = ranking(cosines, torch.eye(2, dtype=torch.bool), AlignmentSettings(margin=0.1))
    assert loss == pytest.approx((np.mean(rows) + np.mean(columns)) / 2)


def test_pairs_of_one_label_are_no_negatives():
    assert ranking(torch.tensor([[0.1, 0.9], [0.9, 0.1]]), torch.ones(2, 2).bool(), AlignmentSettings()) == 0


# --- maps ------------------------------------------------------------------------------------------------------------


def two_views(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of two kinds: different random maps of the same hidden numbers."""
    rng = torch.Generator().manual_seed(0)
    first, second = torch.randn(6, 20, generator=rng), torch.randn(6, 30, generator=rng)
    hidden = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return hidden @ first + 3, 100 * (hidden @ second) - 7, torch.arange(count)


@pytest.mark.parametrize("loss", ["infonce", "ranking"])
def test_linear_views_of_the_same_thing_find_each_other(loss):
    maps = align(*two_views(300), AlignmentSettings(size=6, loss=loss, weight_decay=0.01, dropout=0.0))
    a, b, _ = two_views(50, seed=1)
    cosines = maps[0](a) @ maps[1](b).T
    assert (cosines.argmax(1) == torch.arange(50)).float().mean() > 0.9


def test_the_same_seed_gives_the_same_maps():
    first, same = (align(*two_views(40), AlignmentSettings(size=4, epochs=2)) for _ in range(2))
    assert all(
        torch.equal(x, y) for one, other in zip(first, same, strict=True) for x, y in zip(one, other, strict=True)
    )


def test_a_map_of_standardised_features_is_one_of_features():
    features, weight = torch.randn(9, 5) * 3 + 4, torch.randn(2, 5)
    standardised = Standardised.of(features)
    mapped = standardised.unstandardised(weight)(features)
    expected = torch.nn.functional.normalize(standardised.features @ weight.T)
    torch.testing.assert_close(mapped, expected, rtol=1e-4, atol=1e-5)
    assert isinstance(standardised.unstandardised(weight), LinearMap)


def test_mean_average_precision_is_that_of_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    scores, relevant = rng.normal(size=(30, 40)), rng.random((30, 40)) < 0.2
    relevant[:, 0] = True
    expected = np.mean([average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)])
    assert mean_average_precision(torch.from_numpy(scores), torch.from_numpy(relevant)) == pytest.approx(expected)


def test_repeated_vectors_are_counted_once():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    kept, targets = distinct(vectors, torch.tensor([0, 1, 0, 2]))
    assert sorted(zip(kept[:, 0].tolist(), targets.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 2)]


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Pictures of five colours, texts on them, and a model of each."""
    from neocog import train

    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    rows = []
    for name, colour in COLOURS.items():
        (folder / "pictures" / name).mkdir(parents=True)
        for index in range(16):
            pixels = np.clip(np.array(colour) + rng.normal(0, 12, (8, 8, 3)), 0, 255).astype(np.uint8)
            path = folder / "pictures" / name / f"{index}.png"
            Image.fromarray(pixels).save(path)
            nouns = WORDS[name].split()
            text = f"a {nouns[index % 3]} and {nouns[(index + 1) % 3]} thing"
            rows.append([f"pictures/{name}/{index}.png", text, name])
    write(folder / "pairs.csv", rows)
    with open(folder / "texts.csv", "w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *[row[1:] for row in rows]])
    network = "conv(8, 3), relu, globalavg, dense(16), relu, dense(classes)"
    train("vision", folder / "pictures", network=network, epochs=20, out=folder / "vision")
    of_texts = "embed(tokens, 16), globalavg, dense(classes)"
    train("text", folder / "texts.csv", network=of_texts, epochs=20, out=folder / "text")
    return folder


def write(path, rows, header=("image", "words", "colour")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def read(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def test_both_models_find_and_predict_by_the_other_side(world, tmp_path, command):
    out = tmp_path / "aligned"
    arguments = (
        "align",
        world / "vision",
        world / "text",
        world / "pairs.csv",
        "--label-column",
        "colour",
        "--size",
        "8",
    )
    code, text, err = command(*arguments, "--out", out, "--json")
    assert code == 0, err
    metrics = json.loads(text)
    assert metrics["a_to_b"]["hit@1"] == 1.0 and metrics["a_to_b"]["map"] > 0.8 and metrics["b_to_a"]["map"] > 0.8
    assert metrics["labels"] == 5 and metrics["a_to_b"]["hit@1_chance"] == 0.2
    picture = world / "pictures/red/0.png"
    (row,) = json.loads(command("predict", out / "a.safetensors", picture, "--json")[1])
    assert row["predictions"][0]["label"] == "red"
    (row,) = json.loads(command("predict", out / "b.safetensors", "a grass and leaf thing", "--json")[1])
    assert row["predictions"][0]["label"] == "green"
    across = ("--across", out / "a.safetensors", "--in", world / "pictures", "--top", "5")
    found = json.loads(command("similar", out / "b.safetensors", "a sea and sky thing", *across, "--json")[1])
    assert {match["label"] for match in found[0]["neighbours"]} == {"blue"}
    for name in ("sheet.png", "page.html"):
        assert (
            command("similar", out / "b.safetensors", "a sea and sky thing", *across, "--out", tmp_path / name)[0] == 0
        )
    back = (
        "--across",
        out / "b.safetensors",
        "--in",
        world / "texts.csv",
        "--top",
        "3",
        "--out",
        tmp_path / "back.html",
    )
    assert command("similar", out / "a.safetensors", picture, *back)[0] == 0
    described = json.loads(command("describe", out / "a.safetensors", "--json")[1])
    assert [layer["layer"] for layer in described["layers"]][-3:] == ["dense(8)", "unit", "dense(5, bias=False)"]


def test_a_label_with_a_text_alone_is_predicted(world, tmp_path, command):
    """Zero-shot: no picture of snow is learned from, and its words share nothing with those of other labels."""
    rows = [row for row in read(world / "pairs.csv") if row[2] != "white"]
    write(
        tmp_path / "pairs.csv",
        [[str(world / row[0]), *row[1:]] for row in rows] + [["", "a snow and milk thing", "white"]],
    )
    arguments = ("align", world / "vision", world / "text", tmp_path / "pairs.csv", "--label-column", "colour")
    assert command(*arguments, "--out", tmp_path / "out", "--quiet")[0] == 0
    card = json.loads(command("describe", tmp_path / "out/a.safetensors", "--json")[1])["card"]
    assert card["labels"] == sorted(COLOURS)
    other = json.loads(command("describe", tmp_path / "out/b.safetensors", "--json")[1])["card"]
    assert "white" not in other["labels"]  # of which no picture is known


def test_held_out_labels_are_measured_among_all_and_among_themselves(world, tmp_path, command):
    arguments = (
        "align",
        world / "vision",
        world / "text",
        world / "pairs.csv",
        "--label-column",
        "colour",
        "--hold-out",
        "2",
    )
    metrics = json.loads(command(*arguments, "--out", tmp_path / "out", "--json")[1])
    held = metrics["held_out"]
    assert (
        len(held["labels"]) == 2 and held["among_all"]["candidates"] == 5 and held["among_held_out"]["candidates"] == 2
    )
    assert held["among_all"]["inputs"] == 32 and metrics["a_to_b"]["candidates"] == 3


BOTH = ("--columns", "image,words")
PROBLEMS = {  # what becomes of each row, options, and the message
    "the same thing twice": (
        lambda image, words, colour: [image, image, colour],
        BOTH,
        "columns image and words hold the same thing in every row",
    ),
    "one text of two labels": (
        lambda image, words, colour: [image, "a sea thing", colour],
        (),
        "red and green have the same words, 'a sea thing'; give each a text of its own",
    ),
    "another language": (
        lambda image, words, colour: [image, f"{colour} chose verte étrange", colour],
        (),
        "the model of texts knows only 0 of",
    ),
    "one label": (
        lambda image, words, colour: [image, words, "all"],
        (),
        "pairs to learn from have 1 label, and it takes two or more",
    ),
    "no pictures": (
        lambda image, words, colour: ["gone.png", words, colour],
        BOTH,
        "80 of 80 pairs cannot be used, more than --max-bad allows (first: row 2: ",
    ),
    "unclear columns": (
        lambda image, words, colour: ["gone.png", words, colour],
        (),
        "the column with inputs of vision is not clear (candidates: none); name both: --columns A,B",
    ),
}


@pytest.mark.parametrize(("change", "options", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_tables_that_cannot_be_used_are_refused_with_a_sentence(change, options, message, world, tmp_path, command):
    rows = [[str(world / row[0]), *row[1:]] for row in read(world / "pairs.csv")]
    write(tmp_path / "pairs.csv", [change(*row) for row in rows])
    arguments = ("align", world / "vision", world / "text", tmp_path / "pairs.csv", "--label-column", "colour")
    code, _, err = command(*arguments, *options, "--out", tmp_path / "out", "--quiet")
    assert message in err and code in (2, 3) and not (tmp_path / "out").exists()


def test_a_picture_that_is_gone_is_left_out_and_named(world, tmp_path, command):
    rows = [[str(world / row[0]), *row[1:]] for row in read(world / "pairs.csv")]
    write(tmp_path / "pairs.csv", [[str(tmp_path / "gone.png"), *rows[0][1:]], *rows[1:]])
    arguments = ("align", world / "vision", world / "text", tmp_path / "pairs.csv", "--label-column", "colour")
    code, _, err = command(*arguments, "--out", tmp_path / "out", "--quiet")
    assert (
        code == 3 and f"row 2: {tmp_path}/gone.png does not exist" in err and (tmp_path / "out/a.safetensors").exists()
    )


def test_a_text_of_ten_thousand_words_is_read_in_parts(world, tmp_path, command):
    rows = [[str(world / row[0]), *row[1:]] for row in read(world / "pairs.csv")]
    write(tmp_path / "pairs.csv", [[rows[0][0], "ruby fire " * 5000, "red"], *rows[1:]])
    arguments = ("align", world / "vision", world / "text", tmp_path / "pairs.csv", "--label-column", "colour")
    code, _, err = command(*arguments, "--out", tmp_path / "out")
    assert code == 0 and "whose vector is a mean over parts: 1" in err


def test_models_without_a_space_in_common_are_refused(world, tmp_path, command):
    text, pictures = world / "text", world / "pictures"
    code, _, err = command("similar", text, "a sea thing", "--across", world / "vision", "--in", pictures)
    assert code == 2 and "have no space in common; neocog align A B TABLE makes two models that have one" in err


def test_models_are_not_overwritten(world, tmp_path, command):
    (tmp_path / "a.safetensors").write_text("")
    code, _, err = command("align", world / "vision", world / "text", world / "pairs.csv", "--out", tmp_path)
    assert code == 2 and "holds aligned models; name another folder with --out, or replace them with --force" in err
