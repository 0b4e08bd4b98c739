"""The commands explain and filters, on models of all four domains."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from neocog import domain as domain_of
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.explain import render
from neocog.core.explain.capability import Explainable
from neocog.core.initialize import initialize
from neocog.core.modules import Embed
from neocog.core.network import Network, parse
from neocog.go.data import LABELS as POINTS
from neocog.speech.options import DEFAULTS
from PIL import Image

VOCABULARY = ["the", "film", "is", "good", "bad", "<b>", "very", "not"]
FACTS = {
    "vision": {"size": [12, 12], "colour": "rgb", "fit": "crop", "mean": [0.5] * 3, "std": [0.25] * 3},
    "speech": {**DEFAULTS, "rate": 8000, "samples": 4000, "bands": 24},
    "text": {
        "tokens": "words", "lower": True, "length": 16, "longest": 14, "vocabulary": VOCABULARY, "cut": 0.0,
        "tokens_known": 10, "runs_known": 5, "reading": {},
    },
    "go": {"planes": "stones"},
}  # fmt: skip
NETWORKS = {
    "vision": ((3, 12, 12), "conv(4, 3), relu, maxpool(2), conv(5, 2), relu, flatten, dense(3)"),
    "speech": ((1, 24, 48), "conv(4, 3), relu, maxpool(2), conv(5, 2), relu, globalmax, dense(3)"),
    "text": (
        (1, 1, 16),
        "embed(10, 6), parallel((conv(4, 2), relu, globalmax), (conv(4, 3), relu, globalmax)), dense(3)",
    ),
    "go": ((3, 19, 19), "conv(4, 5, pad=2), relu, conv(1, 1, bias=False), bias, flatten"),
}
LABELS = {"vision": ["cat", "dog", "owl"], "speech": ["yes", "no", "up"], "text": ["good", "bad", "so"], "go": POINTS}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A model file of each domain with random weights, and an input for each."""
    folder = tmp_path_factory.mktemp("models")
    for name, (shape, text) in NETWORKS.items():
        words = Network(shape, parse(text)).module()
        initialize(words, 0)
        save(folder / f"{name}.safetensors", name, text, shape, words)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(folder / "a.png")
    soundfile.write(folder / "a.wav", rng.normal(0, 0.1, 4000), 8000)
    (folder / "a.sgf").write_text("(;FF[4]GM[1]SZ[19];B[pd];W[dd];B[pq];W[dq])")
    return folder


def save(path: Path, name: str, text: str, shape, words) -> Path:
    card = Card(domain=name, network=text, input=shape, labels=LABELS[name], preprocessing=FACTS[name])
    checkpoint.save(path, dict(words.state_dict()), card)
    return path


INPUTS = {"vision": "a.png", "speech": "a.wav", "text": "The film is <b>very</b> bad, not good", "go": "a.sgf"}
SIZES = {"vision": [12, 12], "speech": [24, 48], "text": [1, 14], "go": [19, 19]}


@pytest.fixture
def neocog(command, monkeypatch, tmp_path, models):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(models)
    return command


# --- explain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_json_holds_the_relevance_of_every_method(neocog, name):
    """As DESIGN.md promises: input, label, method, size, peak, relevance; and the areas that it can be judged by."""
    code, out, err = neocog(
        "explain", f"{name}.safetensors", INPUTS[name], "--method", "saliency,lrp,occlusion", "--json"
    )
    result = json.loads(out)
    assert code == 0 and [entry["method"] for entry in result] == ["saliency", "lrp", "occlusion"], err
    for entry in result:
        relevance = np.array(entry["relevance"])
        assert entry["input"] == INPUTS[name] and entry["label"] in LABELS[name] and 0 < entry["probability"] <= 1
        assert list(relevance.shape) == entry["size"] == SIZES[name] and np.isfinite(relevance).all()
        assert relevance[tuple(entry["peak"])] == relevance.max() and entry["at"]
        assert 0 <= entry["deletion"] <= 1 and 0 <= entry["random_insertion"] <= 1
    if name == "text":
        assert result[0]["tokens"][:3] == ["The", "film", "is"] and len(result[0]["tokens"]) == result[0]["size"][1]
        assert [result[0]["tokens"][index] for index in result[0]["unknown"]] == [
            "<",
            "b",
            ">",
            "<",
            "/",
            "b",
            ">",
            ",",
        ]


@pytest.mark.parametrize(
    ("name", "place"),
    [("vision", r"row \d+, column \d+"), ("speech", r"0\.\d\d s, [\d,]+ Hz"),
     ("text", r"(The|film|is|good|bad|very|not|\[.\]) "),
     ("go", r"[A-HJ-T]\d+")],
)  # fmt: skip
def test_the_table_gives_positions_in_the_units_of_the_domain(neocog, name, place):
    code, out, err = neocog("explain", f"{name}.safetensors", INPUTS[name], "--method", "saliency")
    assert code == 0 and re.search(rf"saliency .*{place}", out), (out, err)
    assert "less deletion and more insertion are better" in out and "to see it: --out FILE.png" in err
    assert all(len(line) <= 100 for line in out.splitlines())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_picture_of_any_kind_is_written(neocog, tmp_path, name, ending):
    path = tmp_path / f"sheet.{ending}"
    code, _, err = neocog("explain", f"{name}.safetensors", INPUTS[name], "--method", "saliency,lrp", "--out", path)
    assert code == 0 and f"wrote {path}" in err
    if ending == "png":
        with Image.open(path) as image:
            assert image.width > 300 and len(image.convert("RGB").getcolors(1 << 24)) > 20
    else:
        assert path.stat().st_size > 1000


def test_a_page_escapes_the_text(neocog, tmp_path):
    path = tmp_path / "page.html"
    neocog("explain", "text.safetensors", INPUTS["text"], "--method", "lrp", "--out", path)
    page = path.read_text(encoding="utf-8")
    assert "&lt;" in page and "<b>" not in page and "background: rgb(" in page and "://" not in page


def test_a_long_recording_is_explained_in_its_most_confident_window(neocog, tmp_path):
    """The window is reported; the probability is that of the whole recording, as predict gives it."""
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "long.wav", rng.normal(0, 0.1, 10_000) * np.linspace(0, 1, 10_000), 8000)
    _, out, _ = neocog("predict", "speech.safetensors", tmp_path / "long.wav", "--json", "--top", "3")
    (full,) = json.loads(out)
    _, out, err = neocog("explain", "speech.safetensors", tmp_path / "long.wav", "--json")
    (result,) = json.loads(out)
    assert result["label"] == full["predictions"][0]["label"]
    assert result["probability"] == pytest.approx(full["predictions"][0]["probability"], abs=1e-5)
    window = result["window"]
    assert window["of"] == len(full["windows"]) == 4 and window["unit"] == "s"
    shares = {entry["start"]: entry["probability"] for entry in full["windows"] if entry["label"] == result["label"]}
    assert window["start"] == max(shares, key=shares.get)
    assert "a long input is explained in the window with the highest value for the label; positions count" in err
    _, out, _ = neocog("explain", "speech.safetensors", tmp_path / "long.wav", "--out", tmp_path / "long.png")
    assert re.search(r"explained by window \d of 4, [\d.]+ to [\d.]+ s\n", out) and (tmp_path / "long.png").exists()


def test_tokens_before_the_window_of_a_long_text_are_not_coloured(neocog, tmp_path):
    """The window begins where the page says."""
    text = " ".join([*["film"] * 20, "good", *["bad"] * 20, "very"])
    _, out, _ = neocog("explain", "text.safetensors", text, "--label", "bad", "--method", "saliency", "--json")
    (result,) = json.loads(out)
    start, end = (int(result["window"][name]) for name in ("start", "end"))
    assert end - start == len(result["tokens"]) == 14 and result["tokens"] == text.split()[start:end]
    neocog("explain", "text.safetensors", text, "--label", "bad", "--method", "saliency", "--out", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    before = page.split("<span", 1)[0].rsplit("<p>", 1)[1]
    assert before.split() == text.split()[: len(before.split())] and len(before.split()) >= start
    assert f"(window {result['window']['number']} of {result['window']['of']}, {start} to {end} tokens)" in page


def test_every_label_is_explained_by_every_method(neocog):
    words = ("--label", "cat", "--label", "owl", "--method", "saliency,gradcam", "--json")
    _, out, _ = neocog("explain", "vision.safetensors", "a.png", *words)
    assert [(entry["label"], entry["method"]) for entry in json.loads(out)] == [
        (label, method) for label in ("cat", "owl") for method in ("saliency", "gradcam")
    ]


def test_the_sanity_check_marks_maps_that_correlate_with_random_networks(neocog):
    """The weights are random themselves, so that some maps correlate."""
    code, out, _ = neocog("explain", "vision.safetensors", "a.png", "--method", "all", "--check", "--json")
    result = json.loads(out)
    assert code == 0 and len(result) == 9
    for entry in result:
        assert -1 <= entry["random_network_correlation"] <= 1
        assert entry["like_a_random_network"] == (abs(entry["random_network_correlation"]) >= 0.5)
    _, out, _ = neocog("explain", "vision.safetensors", "a.png", "--method", "all", "--check")
    assert "random net" in out and out.count(" *") >= sum(entry["like_a_random_network"] for entry in result)


def test_the_relevant_part_of_a_recording_is_written_as_sound(neocog, tmp_path):
    path = tmp_path / "heard.wav"
    code, _, err = neocog("explain", "speech.safetensors", "a.wav", "--method", "lrp", "--listen", path)
    assert code == 0 and "the evidence for" in err
    sound, rate = soundfile.read(path)
    full, _ = soundfile.read("a.wav")
    assert rate == 8000 and len(sound) == 4000 and 0 < np.square(sound).sum() < np.square(full).sum()


def test_explanations_are_deterministic(neocog):
    first, two = (neocog("explain", "vision.safetensors", "a.png", "--method", "all", "--json")[1] for _ in range(2))
    assert first == two


def test_gradcam_uses_the_given_layer(neocog):
    def peak(*words):
        return json.loads(neocog("explain", "vision.safetensors", "a.png", "--method", "gradcam", "--json", *words)[1])

    assert peak("--layer", "1")[0]["relevance"] != peak()[0]["relevance"] == peak("--layer", "4")[0]["relevance"]
    assert peak()[0]["layers"] == ["4"] and peak()[0]["cell"] == [2, 2] and peak("--layer", "1")[0]["cell"] == [1, 1]


def test_gradcam_tells_and_draws_the_size_of_its_cells(neocog, tmp_path):
    words = ("explain", "vision.safetensors", "a.png", "--method", "gradcam", "--layer", "4")
    _, out, _ = neocog(*words)
    assert re.search(r"gradcam .*row \d+, column \d+, in cells of 2×2", out)
    assert "cells: gradcam has one number for each 2×2, those of layer 4" in out
    neocog(*words, "--out", tmp_path / "a.svg")
    assert "gradcam, cells of 2×2" in svg_text(tmp_path / "a.svg")
    neocog(*words, "--out", tmp_path / "a.html")
    assert "in cells of 2×2" in (tmp_path / "a.html").read_text(encoding="utf-8")
    (explanation,) = explained(tmp_path)
    picture, plain = np.array(render._with_cell(explanation)), np.array(explanation.picture(explanation.relevance))
    rows, columns = (np.unique(places) for places in (picture != plain).any(2).nonzero())
    factor = plain.shape[1] // 12
    assert np.ptp(rows) < 2 * factor and np.ptp(columns) < 2 * factor


def explained(tmp_path):
    from neocog import load
    from neocog.core.explain.explained import explain
    from neocog.core.explain.places import layer
    from neocog.core.inputs import FileInput

    model = load("vision.safetensors", "cpu")
    return explain(model, [FileInput("a.png")], "gradcam", layers=[layer(model.network, "4")])


def svg_text(path: Path) -> str:
    """The captions of a sheet, which matplotlib repeats as comments."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))


def test_the_verdict_stands_in_the_picture_too(neocog, tmp_path):
    words = ("explain", "vision.safetensors", "a.png", "--method", "all", "--layer", "1", "--check")
    _, out, _ = neocog(*words)
    neocog(*words, "--out", tmp_path / "a.svg")
    captions = svg_text(tmp_path / "a.svg")
    worse = sum("!" in line for line in out.splitlines() if "(" in line)
    assert worse and captions.count("! do not trust it: no better") == worse
    (explanation,) = explained(tmp_path)
    failed = replace(explanation, correlation=0.9)
    assert "* random weights give much\nthe same map" in render._panel(failed).caption


def test_a_position_in_a_resized_picture_is_that_of_the_file(neocog, tmp_path):
    Image.fromarray(np.zeros((48, 96, 3), np.uint8)).save(tmp_path / "wide.png")
    _, out, _ = neocog("explain", "vision.safetensors", tmp_path / "wide.png", "--label", "cat", "--json")
    (result,) = json.loads(out)
    row, column = result["peak"]
    # The middle 48×48 of the picture became 12×12.
    assert result["at"] == f"row {4 * row + 2}, column {24 + 4 * column + 2} of 48×96"


def test_a_text_is_an_input_even_if_it_looks_like_a_file(neocog):
    code, out, err = neocog("explain", "text.safetensors", "--text", "good.txt", "--json")
    assert code == 0 and json.loads(out)[0]["input"] == "good.txt", err
    code, _, err = neocog("explain", "text.safetensors", "good.txt")
    assert code == 2 and "good.txt does not exist" in err and "use --text" in err


# --- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), [("vision", (4, 3, 3, 3)), ("speech", (4, 1, 3, 3)), ("go", (4, 3, 5, 5))])
def test_the_filters_of_the_first_layer_are_its_weights(neocog, tmp_path, models, name, shape):
    path = tmp_path / "filters.png"
    code, out, _ = neocog("filters", f"{name}.safetensors", "--out", path, "--json")
    result = json.loads(out)
    weights = checkpoint.read_tensors(models / f"{name}.safetensors")["0.weight"]
    assert code == 0 and result["layer"] == "0" and np.array(result["filters"]).shape == shape
    np.testing.assert_allclose(np.array(result["filters"]), weights.numpy(), rtol=1e-6)
    with Image.open(path) as image:
        assert image.width > 300


def test_the_filters_of_a_text_are_the_tokens_with_the_largest_products(neocog, models):
    """The best phrase of a filter is the best token at each position, as an exhaustive search finds."""
    _, out, _ = neocog("filters", "text.safetensors", "--json")
    result = [entry for entry in json.loads(out) if entry["layer"] == "1.0.0"]
    weights = checkpoint.read_tensors(models / "text.safetensors")
    table = weights["0.table.weight"]
    conv = next(value for name, value in weights.items() if value.ndim == 4 and value.shape[3] == 2)
    for entry in result:
        pairs = torch.einsum("ad,bd->ab", table[2:] @ conv[entry["filter"], :, 0, 0][:, None], torch.ones(8, 1)) + (
            table[2:] @ conv[entry["filter"], :, 0, 1]
        )
        first, second = divmod(int(pairs.argmax()), 8)
        assert [place[0]["token"] for place in entry["places"]] == [VOCABULARY[first], VOCABULARY[second]]


def test_filters_over_two_embeddings_see_them_side_by_side(neocog, tmp_path):
    """As with frozen word vectors beside trained ones: channels 0 to 1 are the first table's, 2 to 4 the second's."""
    text = "parallel((embed(10, 2, static=True),), (embed(10, 3),)), conv(4, 1), relu, globalmax, dense(3)"
    words = Network((1, 1, 16), parse(text)).module()
    initialize(words, 0)
    path = save(tmp_path / "two.safetensors", "text", text, (1, 1, 16), words)
    _, out, _ = neocog("filters", path, "--json")
    first, second = (module.table.weight[2:] for module in words.modules() if isinstance(module, Embed))
    kernels = next(module.weight for module in words.modules() if isinstance(module, torch.nn.Conv2d))[:, :, 0, 0]
    for entry, kernel in zip(json.loads(out), kernels, strict=True):
        best = int((first @ kernel[:2] + second @ kernel[2:]).argmax())
        assert [place[0]["token"] for place in entry["places"]] == [VOCABULARY[best]]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_maps_of_a_layer_are_what_its_module_gives(neocog, tmp_path, name):
    layer = {"text": "1.0.1"}.get(name, "1")
    path = tmp_path / "maps.png"
    code, out, err = neocog(
        "filters", f"{name}.safetensors", "--maps", INPUTS[name], "--layer", layer, "--json", "--out", path
    )
    result = json.loads(out)
    maps = np.array(result["maps"])
    assert code == 0 and list(maps.shape) == result["size"] and maps.min() == 0 < maps.max(), err
    assert path.exists()


def test_the_input_with_the_largest_activation_is_found_and_cropped(neocog, tmp_path, models):
    """One of thirty pictures contains the filter's pattern: it comes first, cropped to the pattern."""
    rng = np.random.default_rng(0)
    weight = checkpoint.read_tensors(models / "vision.safetensors")["0.weight"][2].numpy()  # (3, 3, 3)
    for label in ("cat", "dog", "owl"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(118, 138, (12, 12, 3)).astype(np.uint8)
            if (label, i) == ("dog", 4):
                pixels[6:9, 2:5] = np.where(weight > 0, 255, 0).transpose(1, 2, 0)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{i}.png")
    words = ("--top", tmp_path / "set", "--layer", "0", "--unit", "2", "--out", tmp_path / "top.png")
    code, out, err = neocog("filters", "vision.safetensors", *words, "--json")
    best = json.loads(out)[0]
    assert code == 0 and best["label"] == "dog" and best["input"].endswith("4.png"), err
    assert best["rows"] == [6, 9] and best["columns"] == [2, 5]
    assert (tmp_path / "top.png").exists()


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("explain", "vision.safetensors", "a.png", "--label", "cta"),
            "cta is not a label of this model (did you mean cat?); its labels are",
        ),
        (("explain", "vision.safetensors", "a.png", "--method", "salency"), "not a method (did you mean saliency?)"),
        (("explain", "vision.safetensors", "a.png", "--layer", "9"), "the network has no layer 9; it has 0 conv(4, 3)"),
        (
            ("explain", "go.safetensors", "a.sgf", "--method", "gradcam"),
            "every label is a position of one; those that fit",
        ),
        (("explain", "vision.safetensors", "a.png", "--listen", "x.wav"), "--listen is for recordings"),
        (("explain", "vision.safetensors", "a.png", "--out", "a.png"), "a.png exists; name another file, or replace"),
        (("explain", "vision.safetensors", "a.png", "--out", "x.gif"), "ends in none of .png, .svg, .html"),
        (("explain", "vision.safetensors", "nowhere.png"), "nowhere.png"),
        (("filters", "vision.safetensors", "--layer", "relu"), "relu is 2 layers; name one by its number"),
        (("filters", "vision.safetensors", "--layer", "2"), "has no filters; the layers with filters are"),
        (
            ("filters", "vision.safetensors", "--top", ".", "--layer", "3", "--unit", "5"),
            "its maps are 0 to 4; got unit 5",
        ),
        (("filters", "vision.safetensors", "--unit", "5"), "--unit is for --top DATA"),
        (("filters", "vision.safetensors", "--maps", "a.png", "--top", "."), "give one of them"),
        (("filters", "text.safetensors", "--out", "x.png"), "filters over texts are words rather than pictures"),
    ],
)
def test_a_usage_error_says_what_to_do(neocog, words, message):
    code, out, err = neocog(*words)
    assert code in (2, 3) and message in err and not out, err
    assert "Traceback" not in err


def test_a_model_without_convolutions_is_reported(neocog, tmp_path):
    words = Network((3, 12, 12), parse("flatten, dense(3)")).module()
    path = save(tmp_path / "flat.safetensors", "vision", "flatten, dense(3)", (3, 12, 12), words)
    for command in (("filters", path), ("explain", path, "a.png", "--method", "gradcam")):
        code, _, err = neocog(*command)
        assert code == 2 and "the model has no convolution" in err
    assert neocog("explain", path, "a.png", "--method", "all")[0] == 0


def test_damaged_weights_are_named(neocog, tmp_path):
    shape, text = NETWORKS["vision"]
    words = Network(shape, parse(text)).module()
    words[3].weight.data[:] = float("nan")
    path = save(tmp_path / "damaged.safetensors", "vision", text, shape, words)
    commands = (("filters", path), ("explain", path, "a.png"), ("filters", path, "--maps", "a.png"))
    for command in (*commands, ("predict", path, "a.png")):
        code, _, err = neocog(*command)
        assert code == 3 and "the weight of layer 3 holds numbers that are not finite; train it again" in err


def test_every_domain_has_a_baseline():
    for name in NETWORKS:
        domain = domain_of(name)
        maps = torch.rand(2, *NETWORKS[name][0])
        empty = domain.require(Explainable, "explain").baseline(maps)
        assert empty.shape == maps.shape and bool((empty <= maps).all())
