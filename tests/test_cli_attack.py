"""The command attack: tables, JSON, figures, cards, and errors."""

import json
from pathlib import Path

import neocog
import pytest
from neocog.cli import app
from neocog.core import checkpoint
from neocog.core.problem import DATA, FAILED, USAGE
from neocog.core.robust.capability import Corruptible
from PIL import Image
from test_contract import MADE, SMALL
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """The folder of runs/ and data/ of each domain, created on demand."""
    return tmp_path_factory.mktemp("attacked")


@pytest.fixture
def trained(place, monkeypatch):
    """A domain's tiny run and its data."""
    monkeypatch.setenv("NEOCOG_CACHE", str(place / "cache"))

    def of(name: str) -> tuple[Path, Path]:
        run, data = place / "runs" / name, place / "data" / name
        if not run.exists():
            MADE[name](data)
            neocog.train(name, str(data), network=SMALL[name], out=str(run), epochs=30, batch=8, lr=0.02)
        return run, data

    return of


def run(*words: object) -> tuple[int, str, str]:
    completed = CliRunner().invoke(app, [str(word) for word in words])
    return completed.exit_code, completed.stdout, completed.stderr


def refused(*words: object) -> tuple[int, str]:
    """The exit code and the sentence of a command that raises a Problem."""
    problem = CliRunner().invoke(app, [str(word) for word in words]).exception
    return problem.code, str(problem)


def side_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


# --- the attack -------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_epsilon(trained):
    model, data = trained("vision")
    code, out, err = run("attack", model, data, "--epsilon", "0.1,0.02", "--part", "all", "--quiet")
    assert code == 0 and err == ""
    head, count, _, columns, *rows = out.splitlines()
    assert head == "FGSM on pixels, ε in shares of a pixel's range" and count == "30 examples (all)"
    assert columns.split() == ["ε", "accuracy", "95%", "interval", "random", "signs", "confidence"]
    assert [row.split()[0] for row in rows] == ["0", "0.02", "0.1"]


def test_json_holds_the_curve_and_examples(trained):
    model, data = trained("vision")
    result = json.loads(run("attack", model, data, "--method", "pgd", "--steps", "3", "--json", "--quiet")[1])
    assert result["method"] == "pgd" and result["steps"] == 3 and result["on"] == "pixels" and result["seed"] == 0
    assert [row["epsilon"] for row in result["rows"]] == [0, 0.01, 0.02, 0.05, 0.1, 0.25]
    assert all({"accuracy", "interval", "random", "confidence"} <= row.keys() for row in result["rows"])
    assert (
        len(result["fooled"][0]["answers"]) == 6
        and {"answer", "confidence"} <= result["fooled"][0]["answers"][0].keys()
    )


def test_the_given_number_of_examples_is_drawn_by_the_seed(trained):
    model, data = trained("vision")
    words = ("attack", model, data, "--part", "all", "--examples", "7", "--epsilon", "0.1", "--json", "--quiet")
    first, same, second = (json.loads(run(*words, "--seed", seed)[1]) for seed in (0, 0, 1))
    assert first["examples"] == 7 and first["of"] == 30 and first == same and first["fooled"] != second["fooled"]


@pytest.mark.parametrize(("space", "most"), [("spectrogram", "1"), ("samples", "0.05")])
def test_sounds_are_attacked_as_spectrograms_and_as_samples(trained, space, most):
    model, data = trained("speech")
    words = (
        "--on",
        space,
        "--epsilon",
        most,
        "--method",
        "pgd",
        "--steps",
        "10",
        "--part",
        "all",
        "--json",
        "--quiet",
    )
    result = json.loads(run("attack", model, data, *words)[1])
    first, last = result["rows"]
    assert result["on"] == space and first["accuracy"] > 0.9 and last["accuracy"] < 0.7 < last["random"]


@pytest.mark.parametrize("name", ["vision", "speech"])
def test_a_picture_shows_the_curve_and_the_examples(trained, name, tmp_path):
    model, data = trained(name)
    code, _, err = run("attack", model, data, "--out", tmp_path / "fooled.png", "--epsilon", "0.1")
    assert code == 0 and f"wrote {tmp_path / 'fooled.png'}" in err
    assert min(side_of(tmp_path / "fooled.png")) > 600
    assert run("attack", model, data, "--out", tmp_path / "fooled.svg", "--epsilon", "0.1")[0] == 0
    picture = (tmp_path / "fooled.svg").read_text()
    assert "<svg" in picture and "95% interval" in picture, "the band has its name in the legend"


# --- the card ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vision", "speech", "text"])
def test_a_card_holds_every_corruption_of_the_domain_in_five_strengths(trained, name, tmp_path):
    model, data = trained(name)
    code, out, _ = run("attack", model, data, "--card", "--part", "all", "--out", tmp_path / "card.json")
    result = json.loads((tmp_path / "card.json").read_text())
    known = (
        neocog.domain(name).require(Corruptible, "attack").corruptions(neocog.load(str(model)).card.preprocessing, {})
    )
    assert code == 0 and list(result["corruptions"]) == list(known) and result["accuracy"] > 0.9
    for word, entry in result["corruptions"].items():
        assert [row["strength"] for row in entry["rows"]] == [1, 2, 3, 4, 5] and word in out
        assert entry["mean"] == pytest.approx(sum(row["accuracy"] for row in entry["rows"]) / 5)
    assert result["mean"] == pytest.approx(sum(entry["mean"] for entry in result["corruptions"].values()) / len(known))
    assert ("attack" in result) == (name != "text")


def test_two_cards_are_compared(trained, tmp_path):
    model, data = trained("vision")
    words = ("attack", model, data, "--part", "all", "--quiet", "--corrupt", "noise,blur")
    assert run(*words, "--out", tmp_path / "one.json")[0] == 0
    first = json.loads((tmp_path / "one.json").read_text())
    assert list(first["corruptions"]) == ["noise", "blur"]
    first["corruptions"]["noise"]["mean"] -= 0.25
    (tmp_path / "other.json").write_text(json.dumps(first))
    result = json.loads(run(*words, "--against", tmp_path / "other.json", "--json")[1])
    assert result["against"] == pytest.approx({"noise": 0.25, "blur": 0, "accuracy": 0, "mean": 0})
    assert "+25.0" in run(*words, "--against", tmp_path / "other.json")[1]


def test_the_card_reports_the_agreement_of_views(trained, place, tmp_path):
    _, data = trained("vision")
    out = place / "runs" / "mirrored"
    neocog.train(
        "vision", str(data), network=SMALL["vision"], out=str(out), epochs=30, batch=8, lr=0.02, augment="flip"
    )
    result = json.loads(run("attack", out, data, "--card", "--corrupt", "noise", "--json", "--quiet")[1])
    assert len(result["views"]) == 1 and 0.8 <= result["views"][0] <= 1
    model, _ = trained("vision")
    assert json.loads(run("attack", model, data, "--card", "--corrupt", "noise", "--json", "--quiet")[1])["views"] == []


def test_the_card_reports_the_agreement_of_symmetries_of_a_board(trained, place):
    """Seven beside the board as it is: a network of which each window looks alike from all sides always agrees."""
    data, out = place / "data" / "symmetric", place / "runs" / "symmetric"
    MADE["go"](data)
    network = "conv(1, 1), relu, conv(1, 1, bias=False), flatten"
    neocog.train("go", str(data), network=network, out=str(out), epochs=1, batch=8, augment="symmetries")
    result = json.loads(run("attack", out, data, "--card", "--part", "all", "--json", "--quiet")[1])
    assert result["views"] == [1.0] * 7 and result["corruptions"] == {} and result["mean"] is None
    code, text, _ = run("attack", out, data, "--card", "--part", "all", "--quiet")
    assert code == 0 and "agreement of views   100.00%" in text
    result = refused("attack", out, data, "--card", "--part", "all", "--quiet", "--out", place / "card.png")
    assert result == (USAGE, "there are no corruptions of go to draw; name a .json with --out")


@pytest.mark.parametrize("name", ["vision", "speech", "text"])
def test_a_card_is_drawn_as_a_figure(trained, name, tmp_path):
    model, data = trained(name)
    code, _, err = run("attack", model, data, "--card", "--examples", "5", "--out", tmp_path / "card.png")
    assert code == 0, err
    assert min(side_of(tmp_path / "card.png")) > 400


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epsilon", "-0.1"), "--epsilon is 0 or more, as in 0.05,0.1; got -0.1"),
        (("--epsilon", "nan"), "--epsilon is 0 or more, as in 0.05,0.1; got nan"),
        (("--epsilon", "a lot"), "--epsilon takes numbers separated by commas, as in 0.05,0.1; got a lot"),
        (("--method", "fgsn"), "--method is fgsm or pgd (did you mean fgsm?); got fgsn"),
        (("--steps", "0"), "--steps is from 1 to 1e+06; got 0"),
        (("--on", "pixel"), "--on is pixels (did you mean pixels?) for vision; got pixel"),
        (("--part", "half"), "--part is test, valid, train or all; got half"),
        (("--out", "fooled.gif"), "fooled.gif ends in none of .png, .svg, .json: the ending decides the format"),
        (
            ("--out", "nowhere/fooled.png"),
            "the folder nowhere does not exist; create it, or name another file",
        ),
        (
            ("--corrupt", "blurr"),
            "blurr is not a corruption of vision (did you mean blur?); "
            "there are noise, blur, shift, rotation, brightness, contrast",
        ),
        (("--against", "nowhere.json"), "nowhere.json does not exist; expected a robustness card"),
    ],
)
def test_a_wrong_option_is_reported(trained, words, message):
    model, data = trained("vision")
    assert refused("attack", model, data, "--quiet", *words) == (USAGE, message)


def test_texts_have_no_small_perturbation(trained):
    model, data = trained("text")
    code, message = refused("attack", model, data, "--quiet")
    assert code == USAGE and message == (
        "inputs of text cannot be perturbed by a small amount, so there is no gradient to follow; "
        "measure robustness to corruptions with --card"
    )
    code, message = refused("train", "text", data, "--network", SMALL["text"], "--adversarial", "0.1", "--quiet")
    assert code == USAGE and message == "--adversarial is not for text"


def test_an_existing_file_is_replaced_only_with_force(trained, tmp_path):
    model, data = trained("vision")
    (tmp_path / "card.json").write_text("mine")
    words = ("attack", model, data, "--corrupt", "noise", "--quiet", "--out", tmp_path / "card.json")
    message = f"{tmp_path / 'card.json'} exists; name another file, or replace it with --force"
    assert refused(*words) == (USAGE, message) and (tmp_path / "card.json").read_text() == "mine"
    assert run(*words, "--force")[0] == 0 and json.loads((tmp_path / "card.json").read_text())["mean"] > 0


def test_a_card_of_other_examples_is_not_compared(trained, tmp_path):
    model, data = trained("vision")
    words = ("attack", model, data, "--corrupt", "noise", "--quiet")
    (tmp_path / "x.json").write_text("[]")
    result = refused(*words, "--against", tmp_path / "x.json")
    assert result == (USAGE, f"{tmp_path / 'x.json'} is not a robustness card; write one with --card --out x.json")
    assert run(*words, "--out", tmp_path / "one.json")[0] == 0
    result = refused(*words, "--part", "all", "--against", tmp_path / "one.json")
    assert result[0] == USAGE and "the two cards cannot be compared: examples is " in result[1]


def test_a_label_that_the_model_does_not_know_is_an_error(trained, tmp_path):
    model, data = trained("vision")
    for label in ("red", "mauve"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i, picture in enumerate((data / "red").glob("*.png")):
            (tmp_path / "set" / label / f"{i}.png").write_bytes(picture.read_bytes() + label.encode())
    code, message = refused("attack", model, tmp_path / "set", "--quiet")
    assert code == DATA and "mauve" in message


@pytest.mark.parametrize("words", [(), ("--card",)])
def test_weights_that_are_not_finite_are_reported(trained, tmp_path, words):
    model, data = trained("vision")
    path = model / "model.safetensors"
    weights = {name: value * float("nan") for name, value in checkpoint.read_tensors(path).items()}
    checkpoint.save(tmp_path / "nan.safetensors", weights, checkpoint.card(path))
    code, message = refused("attack", tmp_path / "nan.safetensors", data, "--quiet", *words)
    assert code == FAILED and "not finite numbers: its weights are damaged; train it again" in message
