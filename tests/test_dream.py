"""Deep dream and style transfer: formulas compared with NumPy, properties of the results, and errors."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from neocog.cli import app
from neocog.core import checkpoint
from neocog.core.explain import places
from neocog.core.imagine import layers
from neocog.core.imagine.dream import Dream, dream, guided_similarity, resized
from neocog.core.imagine.style import Style, StyleTransfer, gram_matrix, with_colours_of
from neocog.core.imagine.values import Fourier
from neocog.core.network import Network, parse
from neocog.core.problem import INTERRUPTED, Problem
from neocog.vision import models, photo
from neocog.vision.imagine import COLOUR_MIX
from PIL import Image
from test_imagine import LABELS, model
from typer.testing import CliRunner

RGB = {"size": [16, 16], "colour": "rgb", "fit": "crop", "mean": [0.5] * 3, "std": [0.25] * 3}
NETWORK = "conv(6, 3), relu, maxpool(2), conv(8, 3), relu, flatten, dense(3)"
MAPS = Network((3, 16, 16), parse(NETWORK))


def picture(height=40, width=56, seed=0):
    """Blobs of colour: (1, 3, H, W) from 0 to 1."""
    rng = torch.Generator().manual_seed(seed)
    return resized(torch.rand(1, 3, 5, 5, generator=rng), (height, width)).clamp(0, 1)


def features(*numbers):
    """Returns the function from pictures to the activations of layers, in a network of random weights."""
    torch.manual_seed(0)
    words = MAPS.module().eval().requires_grad_(False)
    return layers.features(words, [places.layer(MAPS, number) for number in numbers], lambda values: values - 0.5)


# --- dream ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(40, 56), (37, 91)])
def test_a_dream_keeps_the_size_and_the_range(height, width):
    out = dream(features("4"), picture(height, width), Dream(steps=2))
    assert out.shape == (1, 3, height, width) and float(out.min()) >= 0 and float(out.max()) <= 1


def test_a_dream_increases_the_activations_of_the_layer():
    see, before = features("4"), picture()
    after = dream(see, before, Dream(steps=5, octaves=2, jitter=0))
    assert float(see(after)[0].square().mean()) > 1.2 * float(see(before)[0].square().mean())
    assert float((after - before).abs().mean()) < 0.2  # and it is still that picture


def test_the_octaves_grow_to_the_picture():
    assert Dream(octaves=3, scale=2.0).sizes(200, 100) == [(100, 50), (200, 100)]  # 50×25 is too small to see in
    assert Dream(octaves=1).sizes(20, 20) == [(20, 20)]


def test_a_guided_dream_has_features_more_similar_to_the_guide():
    """Than those of a dream without a guide."""
    see, guide = features("4"), 1 - picture(seed=3)
    wanted = see(guide)
    settings = Dream(steps=6, octaves=1, jitter=0)
    led, free = dream(see, picture(), settings, guide=guide), dream(see, picture(), settings)
    assert float(guided_similarity(see(led), wanted)) > float(guided_similarity(see(free), wanted))


def test_guided_similarity_is_the_mean_product_with_the_best_match():
    picture_maps, guide_maps = torch.rand(1, 4, 3, 2), torch.rand(1, 4, 2, 2)
    products = picture_maps[0].flatten(1).T.numpy() @ guide_maps[0].flatten(1).numpy()
    assert float(guided_similarity([picture_maps], [guide_maps])) == pytest.approx(products.max(1).mean(), rel=1e-6)


def test_a_dream_may_be_stopped_at_any_step():
    result = []

    def stop(step, values):
        result.append(step)
        return step == 3

    assert dream(features("1"), picture(), Dream(steps=4), stop).shape == (1, 3, 40, 56) and result == [1, 2, 3]


# --- style ----------------------------------------------------------------------------------------------------------


def test_a_gram_matrix_is_the_mean_product_of_filters():
    answer = torch.randn(1, 5, 4, 3)
    filters = answer[0].numpy().reshape(5, 12)
    expected = [[(filters[i] * filters[j]).mean() for j in range(5)] for i in range(5)]
    np.testing.assert_allclose(gram_matrix(answer), expected, rtol=1e-4, atol=1e-6)


def test_a_gram_matrix_ignores_positions():
    answer = torch.randn(1, 5, 4, 3)
    shuffled = answer.flatten(2)[..., torch.randperm(12)].view_as(answer)
    torch.testing.assert_close(gram_matrix(answer), gram_matrix(shuffled))


@pytest.mark.parametrize("fourier", [False, True])
@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_style_transfer_reduces_the_style_loss_and_keeps_the_content(optimiser, fourier):
    settings = Style(steps=30, strength=20.0, optimiser=optimiser, variation=0.0, fourier=fourier)
    going = StyleTransfer(features("4"), features("1", "4"), picture(), picture(seed=5), settings)
    losses = list(going)
    assert losses[0].content == pytest.approx(0, abs=1e-3)  # it begins as the content
    assert losses[-1].style < 0.5 * losses[0].style and losses[-1].total < losses[0].total
    assert losses[-1].content < 1 and going.picture.shape == (1, 3, 40, 56)
    assert float(going.picture.min()) >= 0 and float(going.picture.max()) <= 1


def test_a_stronger_style_increases_the_content_loss():
    ends = []
    for strength in (0.1, 100.0):
        *_, last = StyleTransfer(
            features("4"), features("1", "4"), picture(), picture(seed=5), Style(30, strength, 0.0, fourier=False)
        )
        ends.append(last)
    assert ends[0].content < ends[1].content and ends[0].style > ends[1].style


@pytest.mark.parametrize("size", [(12, 10), (9, 7)])
def test_fourier_coefficients_give_the_picture_back(size):
    """Also where channels are mixed."""
    result = 0.1 + 0.8 * torch.rand(1, 3, *size)
    for mix in (None, torch.tensor(COLOUR_MIX)):
        torch.testing.assert_close(Fourier.of(result, mix).values(), result, atol=1e-5, rtol=0)


def test_kept_colours_have_the_chrominance_of_the_content():
    """Against the matrix of YIQ: Y is the picture's, I and Q are the content's."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    content, painted = picture() * 0.2 + 0.4, picture(seed=5) * 0.2 + 0.4  # nothing is cut off
    result = np.einsum("dc,bchw->bdhw", yiq, with_colours_of(content, painted).numpy())
    np.testing.assert_allclose(result[:, 0], np.einsum("c,bchw->bhw", yiq[0], painted.numpy()), atol=1e-5)
    np.testing.assert_allclose(result[:, 1:], np.einsum("dc,bchw->bdhw", yiq[1:], content.numpy()), atol=1e-3)


# --- selection of layers --------------------------------------------------------------------------------------------


def numbers(result):
    return [place.number for place in result]


def test_vgg16_uses_the_layers_of_the_paper():
    """relu1_1, relu2_1, … relu5_1."""
    vgg = Network((3, 224, 224), models.vgg16(1000))
    assert numbers(layers.style_layers(vgg)) == ["1", "6", "11", "18", "25"]
    assert numbers(layers.content_layers(vgg)) == ["22"] and numbers(layers.dream_layers(vgg)) == ["29"]


def test_efficientnet_uses_five_sizes_of_maps_for_style():
    lite = Network((3, 224, 224), models.efficientnet_lite0(1000))
    assert [place.row.output[1] for place in layers.style_layers(lite)] == [112, 56, 28, 14, 7]
    assert layers.content_layers(lite)[0].row.output[1] == 28 and layers.dream_layers(lite)[0].row.output[1] == 14


def test_features_are_in_the_order_of_the_layers():
    first, second = features("4", "1")(picture())
    assert first.shape[1] == 8 and second.shape[1] == 6
    torch.testing.assert_close(second, features("1")(picture())[0])


# --- photos ---------------------------------------------------------------------------------------------------------


def saved_photo(path, height=40, width=56, seed=0):
    photo.write(picture(height, width, seed), path)
    return str(path)


def test_a_photo_is_read_as_it_was_written(tmp_path):
    read = photo.read(saved_photo(tmp_path / "a.png"), 512)
    torch.testing.assert_close(read.values, picture(), atol=1 / 255, rtol=0)
    assert read.remark == ""


def test_a_large_photo_is_scaled_with_a_remark(tmp_path):
    """40 megapixels of JPEG, read at the size asked for."""
    Image.new("L", (8000, 5000), 90).save(tmp_path / "large.jpg", quality=10)
    read = photo.read(str(tmp_path / "large.jpg"), 256)
    assert read.values.shape == (1, 3, 160, 256)
    assert read.remark == "8000×5000 (40.0 megapixels) is scaled to 256×160; --size sets the longer side"


# --- the commands ---------------------------------------------------------------------------------------------------


def saved(tmp_path, change=None, text=NETWORK):
    network = Network((3, 16, 16), parse(text))
    words = network.module()
    if change:
        change(words)
    path = tmp_path / "model.safetensors"
    card = checkpoint.Card("vision", str(network), network.input, LABELS, RGB)
    checkpoint.save(path, words.state_dict(), card)
    return str(path)


def damaged(words):
    words[0].weight.data[0] = float("nan")


def arguments_of(command, tmp_path, *more, **about):
    """The arguments of either command on small pictures, with what a test adds."""
    a, b = saved_photo(tmp_path / "a.png"), saved_photo(tmp_path / "b.png", seed=5)
    end = ["--steps", "2", "--out", str(tmp_path / "out.png"), *more]
    result = saved(tmp_path, **about)
    return ["dream", result, a, *end] if command == "dream" else ["style", a, b, "--model", result, *end]


@pytest.mark.parametrize("command", ["dream", "style"])
def test_the_command_writes_a_picture(command, tmp_path):
    result = CliRunner().invoke(app, arguments_of(command, tmp_path, "--json"), catch_exceptions=False)
    document = json.loads(result.stdout)
    assert document["size"] == [40, 56] and document["steps"] == 2  # one octave fits
    with Image.open(tmp_path / "out.png") as written:
        assert written.size == (56, 40)


def test_every_writes_intermediate_pictures(tmp_path):
    CliRunner().invoke(app, arguments_of("style", tmp_path, "--steps", "5", "--every", "2"), catch_exceptions=False)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out-0002.png", "out-0004.png", "out.png"]


@pytest.mark.parametrize("command", ["dream", "style"])
def test_a_stopped_command_keeps_the_last_picture(command, tmp_path, monkeypatch):
    from neocog.commands import iterative

    step = iterative.PictureSteps.step

    def interrupted(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        return step(self, *arguments)

    monkeypatch.setattr(iterative.PictureSteps, "step", interrupted)
    result = CliRunner().invoke(app, arguments_of(command, tmp_path))
    assert isinstance(result.exception, Problem) and result.exception.code == INTERRUPTED
    assert "stopped after 1 of" in str(result.exception) and "is the last picture" in str(result.exception)
    assert (tmp_path / "out.png").exists()


def test_kept_colours_of_grey_content_are_grey(tmp_path):
    arguments = arguments_of("style", tmp_path, "--colour", "keep")
    Image.new("L", (56, 40), 128).save(tmp_path / "a.png")
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    written = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    assert (np.ptp(written, axis=2) <= 1).all()


BOTH = ["dream", "style"]


@pytest.mark.parametrize("command", BOTH)
@pytest.mark.parametrize(
    ("more", "about", "message"),
    [
        (["--size", "5"], {}, "--size is from 16 to 4096; got 5"),
        ([], {"change": damaged}, "the network's output is not finite: its weights are damaged"),
        ([], {"text": "flatten, dense(3)"}, "the model has no convolution, and this needs one"),
        (["--out", "a.gif"], {}, "a.gif ends in none of .png, .jpg"),
        (["--size", "16"], {"text": "conv(6, 15), relu, flatten, dense(3)"}, "is too small for layer"),
    ],
)
def test_a_usage_error_is_reported(command, more, about, message, tmp_path):
    result = CliRunner().invoke(app, arguments_of(command, tmp_path, *more, **about))
    assert isinstance(result.exception, Problem) and message in str(result.exception)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layer", "9"], "the network has no layer 9; it has 0 conv(6, 3)"),
        (["--layer", "6"], "layer 6, dense(3) gives a row of numbers, which have no position in a picture"),
        (["--octaves", "0"], "--octaves is from 1 to 100; got 0"),
    ],
)
def test_a_usage_error_of_dream_is_reported(more, message, tmp_path):
    result = CliRunner().invoke(app, arguments_of("dream", tmp_path, *more))
    assert isinstance(result.exception, Problem) and message in str(result.exception)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--colour", "grey"], "--colour is style or keep here; got grey"),
        (["--optimiser", "sgd"], "--optimiser is lbfgs or adam here; got sgd"),
        (["--strength", "-1"], "--strength is from 0 to 1e+09; got -1"),
        (["--style-layer", "conb"], "the network has no layer conb (did you mean conv?)"),
    ],
)
def test_a_usage_error_of_style_is_reported(more, message, tmp_path):
    result = CliRunner().invoke(app, arguments_of("style", tmp_path, *more))
    assert isinstance(result.exception, Problem) and message in str(result.exception)


def test_a_missing_picture_and_another_file_are_reported(tmp_path):
    arguments = arguments_of("style", tmp_path)
    (tmp_path / "b.png").write_text("hello")
    result = CliRunner().invoke(app, arguments)
    assert "b.png holds text, not a picture" in str(result.exception)
    result = CliRunner().invoke(app, [arguments[0], str(tmp_path / "c.png"), *arguments[2:]])
    assert "c.png does not exist" in str(result.exception)


@pytest.mark.parametrize(("command", "pictures"), [("dream", ["a.png"]), ("style", ["a.png", "b.png"])])
def test_what_a_decoder_prints_is_told_with_the_name_of_its_picture(command, pictures, tmp_path, monkeypatch, capfd):
    decode, printed = photo.pixels, "TIFFReadDirectory: Warning, Unknown field with tag 39321."

    def pixels(content, form):
        os.write(2, f"{printed}\n".encode())
        return decode(content, form)

    monkeypatch.setattr(photo, "pixels", pixels)
    result = CliRunner().invoke(app, arguments_of(command, tmp_path), catch_exceptions=False)
    told = [line for line in result.stderr.splitlines() if "its decoder reports" in line]
    assert told == [f"{tmp_path / name}: its decoder reports: {printed}" for name in pictures]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("command", BOTH)
def test_an_existing_file_is_kept(command, tmp_path):
    (tmp_path / "out.png").write_text("mine")
    result = CliRunner().invoke(app, arguments_of(command, tmp_path))
    assert "out.png exists; name another file, or replace it with --force" in str(result.exception)
    assert (tmp_path / "out.png").read_text() == "mine"


def test_a_model_of_grey_pictures_gives_a_grey_picture(tmp_path):
    result = model("conv(4, 3), relu, globalmax, dense(3)")
    path = tmp_path / "grey.safetensors"
    checkpoint.save(path, result.words.state_dict(), result.card)
    CliRunner().invoke(
        app,
        ["dream", str(path), saved_photo(tmp_path / "a.png"), "--steps", "1", "--out", str(tmp_path / "out.png")],
        catch_exceptions=False,
    )
    with Image.open(tmp_path / "out.png") as written:
        assert written.mode == "L"
