"""HMAX and the Neocognitron: their cells by the published formulas, templates from training data, commands on them."""

import json

import numpy as np
import pytest
import torch
from neocog.core.initialize import fit_templates
from neocog.core.layers import blurpool, flatten, gabor, globalmax, maximum, maxpool, patches, scells
from neocog.core.modules import binomial
from neocog.core.network import Network
from neocog.core.problem import Problem
from neocog.vision.models import RECIPES, hmax, neocognitron
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from torch import nn

SIZES = {  # of S1 filters -> the size over half a wavelength, by the port to PyTorch
    7: 4, 9: 3.95, 11: 3.9, 13: 3.85, 15: 3.8, 17: 3.75, 19: 3.7, 21: 3.65, 23: 3.6, 25: 3.55, 27: 3.5, 29: 3.45,
    31: 3.4, 33: 3.35, 35: 3.3, 37: 3.25,
}  # fmt: skip


def pictures(seed: int = 0, count: int = 10, side: int = 48) -> np.ndarray:
    """Random bars, discs and gradients, from 0 to 1."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:side, :side] / side
    drawn = []
    for _ in range(count):
        angle, x, y = rng.uniform(0, np.pi), *rng.uniform(0.2, 0.8, 2)
        along = (across - x) * np.cos(angle) + (down - y) * np.sin(angle)
        bar, disc = np.abs(along) < rng.uniform(0.03, 0.1), np.hypot(across - y, down - x) < rng.uniform(0.1, 0.3)
        drawn.append(np.clip(0.5 * bar + 0.4 * disc + 0.2 * down * (across > x), 0, 1))
    return np.array(drawn)


# --- HMAX, computed with NumPy in float64 by the formulas of the papers and of the port to PyTorch -------------------


def gabor_filter(size: int, orientation: float) -> np.ndarray:
    wavelength = 2 * size / SIZES[size]
    angle = np.deg2rad(orientation + 90)
    values = np.zeros((size, size))
    for row, column in np.ndindex(size, size):
        u, v = row - size // 2, column - size // 2
        a, b = u * np.cos(angle) + v * np.sin(angle), -u * np.sin(angle) + v * np.cos(angle)
        if np.hypot(u, v) <= size / 2:
            width = 2 * (0.8 * wavelength) ** 2
            values[row, column] = np.exp(-(a**2 + 0.09 * b**2) / width) * np.cos(2 * np.pi * a / wavelength)
    values -= values.mean()
    return values / np.linalg.norm(values)


def windows(maps: np.ndarray, size: int, pad: int) -> np.ndarray:
    """(C, H, W) -> (C, H', W', size, size)."""
    return sliding_window_view(np.pad(maps, ((0, 0), (pad, pad), (pad, pad))), (size, size), axis=(1, 2))


def s1(picture: np.ndarray, size: int) -> np.ndarray:
    seen = windows(picture[None], size, size // 2)[0]
    norm = np.sqrt((seen**2).sum((2, 3)))
    norm[norm == 0] = 1
    filters = [gabor_filter(size, orientation) for orientation in (90, -45, 0, 45)]
    return np.array([np.abs((seen * values).sum((2, 3))) / norm for values in filters])


def c1(picture: np.ndarray, band: int) -> np.ndarray:
    size, pool = 7 + 4 * band, 8 + 2 * band
    both = np.maximum(s1(picture, size), s1(picture, size + 2))
    return windows(both, pool, pool // 2)[:, :: pool // 2, :: pool // 2].max((3, 4))


def c2(bands: list[np.ndarray], stored: np.ndarray, sigma: float) -> np.ndarray:
    best = np.full(len(stored), -np.inf)
    for maps in bands:
        seen = windows(maps, stored.shape[-1], stored.shape[-1] // 2)
        for index, patch in enumerate(stored):
            squares = ((seen - patch[:, None, None]) ** 2).sum((0, 3, 4))
            s2 = np.exp(-squares / (2 * sigma**2)) if sigma else -np.sqrt(squares)
            best[index] = max(best[index], s2.max())
    return best


@pytest.fixture(scope="module")
def c1_by_formula() -> list[list[np.ndarray]]:
    return [[c1(picture, band) for band in range(8)] for picture in pictures()]


def inputs(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(pictures(seed)).float()[:, None]


def test_c1_of_ten_pictures_is_that_of_the_published_formulas(c1_by_formula):
    first = Network((1, 48, 48), hmax(10)).module().eval()[0]
    for band, branch in enumerate(first.branches):
        expected = np.array([maps[band] for maps in c1_by_formula])
        np.testing.assert_allclose(branch(inputs()).numpy(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_c2_of_ten_pictures_is_that_of_the_published_formulas(c1_by_formula, sigma):
    """Patches are of other pictures: the root of a distance of 0 is exact to 3e-3 in float32."""
    module = Network((1, 48, 48), hmax(10, stored=5, sigma=sigma)).module().eval()[0]
    fit_templates(nn.Sequential(module), inputs(seed=1), seed=0)
    stored = [branch[0].weight.numpy().astype(float) for branch in module.shared[0].branches]
    assert [patch.shape for patch in stored] == [(5, 4, size, size) for size in (4, 8, 12, 16)]
    expected = [np.concatenate([c2(bands, patch, sigma) for patch in stored]) for bands in c1_by_formula]
    np.testing.assert_allclose(module(inputs()).numpy(), np.array(expected), atol=1e-5, rtol=0)


def test_a_gabor_filter_responds_most_to_its_orientation():
    """The cosine of a window to itself is 1, whatever its contrast."""
    module = gabor(4, 11).module((1, 11, 11))
    for index in range(4):
        responses = module(3 * module.weight[index : index + 1])[0, :, 0, 0]
        assert responses[index] == pytest.approx(1, abs=1e-6) and responses.argmax() == index
    torch.testing.assert_close(module(torch.ones(1, 1, 11, 11)), torch.zeros(1, 4, 1, 1), atol=1e-6, rtol=0)


def test_shared_layers_have_the_same_weights_behind_each_branch():
    shared = (patches(3, 2), globalmax)
    network = Network((1, 16, 16), (maximum((maxpool(2),), (maxpool(4),), shared=shared),))
    module = network.module()
    fit_templates(module, torch.rand(4, 1, 16, 16), seed=0)
    assert list(module.state_dict()) == ["0.shared.0.weight"]
    alone = nn.Sequential(*module[0].shared)
    x = torch.rand(3, 1, 16, 16)
    both = [alone(nn.functional.max_pool2d(x, size)) for size in (2, 4)]
    torch.testing.assert_close(module(x), torch.maximum(*both))
    assert network.macs == 3 * 4 * (49 + 9)


# --- templates -------------------------------------------------------------------------------------------------------


def test_stored_patches_are_windows_of_the_training_inputs():
    module = nn.Sequential(patches(20, 3).module((2, 9, 9)))
    x = torch.rand(5, 2, 9, 9)
    fit_templates(module, x, seed=0)
    seen = x.unfold(2, 3, 1).unfold(3, 3, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 18)
    assert all(bool((seen == patch).all(1).any()) for patch in module[0].weight.flatten(1))
    torch.testing.assert_close(module(x).amax((2, 3)).max(0).values, torch.zeros(20), atol=2e-3, rtol=0)


def test_patches_larger_than_the_picture_are_refused():
    with pytest.raises(Problem, match=r"patches\(4, 40\): its window is 40 high, but its input is 28 high"):
        Network((1, 28, 28), (patches(4, 40), globalmax))


def test_templates_are_those_of_the_seed_and_no_blank_windows():
    x = torch.zeros(4, 1, 12, 12)
    x[:, :, 5:8, 5:8] = torch.rand(4, 1, 3, 3)
    first, same, other = (nn.Sequential(patches(30, 2).module((1, 12, 12))) for _ in range(3))
    for module, seed in ((first, 1), (same, 1), (other, 2)):
        fit_templates(module, x, seed)
    assert torch.equal(first[0].weight, same[0].weight) and not torch.equal(first[0].weight, other[0].weight)
    assert bool(first[0].weight.flatten(1).any(1).all())


def test_s_cells_learn_the_patterns_that_occur():
    """Three patterns of any contrast, and three cells: by competition each becomes one of them."""
    rng = torch.Generator().manual_seed(0)
    patterns = nn.functional.normalize(torch.rand(3, 16, generator=rng)).view(3, 1, 4, 4)
    x = patterns[torch.arange(90) % 3] * (0.5 + torch.rand(90, 1, 1, 1, generator=rng))
    module = nn.Sequential(scells(3, 4, threshold=0.9).module((1, 4, 4)))
    fit_templates(module, x, seed=0)
    cosines = module[0].weight.flatten(1) @ patterns.flatten(1).T
    assert sorted(cosines.argmax(1).tolist()) == [0, 1, 2]
    torch.testing.assert_close(cosines.max(1).values, torch.ones(3))


def test_an_s_cell_responds_above_its_threshold_in_proportion_to_contrast():
    module = scells(1, 2, threshold=0.6).module((1, 2, 2))
    module.weight[0, 0] = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    x = torch.tensor([[2.0, 0, 0, 0], [1.2, 1.6, 0, 0], [1, 3, 0, 0]]).view(3, 1, 2, 2)  # cosines of 1, 0.6 and 0.32
    torch.testing.assert_close(module(x).flatten(), torch.tensor([2.0, 0.0, 0.0]))


def test_a_blur_is_binomial_and_keeps_the_mean():
    torch.testing.assert_close(binomial(5) * 16, torch.tensor([1.0, 4, 6, 4, 1], dtype=torch.float64))
    module = blurpool(3, stride=1).module((2, 5, 5))
    point = torch.zeros(1, 2, 5, 5)
    point[0, 1, 2, 2] = 16
    assert module(point)[0, 1].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]] and not module(point)[0, 0].any()


def test_layers_are_fitted_behind_fitted_layers():
    module = Network((1, 12, 12), (scells(4, 3), blurpool(3), scells(4, 3), flatten)).module().eval()
    fit_templates(module, torch.rand(20, 1, 12, 12), seed=0)
    torch.testing.assert_close(module[2].weight.flatten(1).norm(dim=1), torch.ones(4))


@pytest.mark.parametrize(("name", "layers"), [("hmax", hmax(3)), ("neocognitron", neocognitron(3))])
def test_only_the_last_layers_are_trained(name, layers):
    recipe = RECIPES[name]
    network = Network(recipe.input, layers)
    frozen = recipe.settings["frozen"]
    assert not any(row.parameters for row in network.rows[:frozen])
    assert [row.layer.name for row in network.rows[frozen:]] == ["batchnorm", "dense"]


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of bars that lie and bars that stand."""
    folder = tmp_path_factory.mktemp("bars")
    rng = np.random.default_rng(0)
    for label in ("lying", "standing"):
        (folder / label).mkdir()
        for index in range(30):
            picture = np.zeros((28, 28), np.uint8)
            line, start = rng.integers(4, 24), rng.integers(0, 10)
            picture[line : line + 2, start : start + 16] = rng.integers(120, 255)
            Image.fromarray(picture if label == "lying" else picture.T).save(folder / label / f"{index}.png")
    return folder


@pytest.mark.parametrize("recipe", ["hmax(bands=2, stored=10)", "neocognitron(cells=16)"])
def test_it_is_trained_described_explained_and_searched_as_other_models(recipe, folder, tmp_path, command):
    def result(*arguments):
        code, out, err = command(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    model, picture, is_hmax = tmp_path / "model", folder / "lying/0.png", recipe.startswith("hmax")
    options = ("--set", "size=28", "--epochs", "10", "--out", model, "--quiet")
    assert command("train", "vision", folder, "--recipe", recipe, *options)[0] == 0
    summary = json.loads((model / "summary.json").read_text())
    assert summary["value"] == 1.0
    assert result("describe", model)["parameters"] == summary["parameters"]
    assert result("predict", model, picture)[0]["predictions"][0]["label"] == "lying"
    assert result("explain", model, picture)[0]["label"] == "lying"
    refused = command("explain", model, picture, "--method", "lrp")[2]
    assert "lrp does not fit this network: it has no rule for layer 0" in refused
    first, learned = ("0.0.0.0.0", "0.2.0.0.0") if is_hmax else ("0", "2")
    assert len(result("filters", model, "--layer", first)["filters"]) == 4
    assert len(result("filters", model, "--layer", learned)["filters"]) == (10 if is_hmax else 16)
    drawn = ("--maps", picture, "--layer", learned, "--out", tmp_path / "maps.png")
    assert command("filters", model, *drawn)[0] == 0
    matches = result("similar", model, picture, "--in", folder, "--top", "3")[0]["neighbours"]
    assert {match["label"] for match in matches} == {"lying"}
