"""Initialisation: standard deviation, reproducibility, Dirac convolutions and whitening."""

import pytest
import torch
from neocog.core.initialize import initialize, set_output_bias, whiten
from neocog.core.network import Network, parse
from neocog.core.tasks import Multilabel
from torch import nn

MIXED = "conv(8, 3), batchnorm, residual(conv(8, 3, pad=1), relu), local(4, 3), bias, relu, flatten, dense(9), dense(3)"


def network(text: str, *shape: int, seed: int = 0, dirac: bool = False) -> nn.Module:
    module = Network(shape, parse(text)).module()
    initialize(module, seed, dirac)
    return module


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("dirac", [False, True])
def test_the_same_seed_gives_the_same_weights(dirac):
    """Independent of the state of torch's global generator."""
    torch.manual_seed(1)
    first = network(MIXED, 2, 9, 9, dirac=dirac)
    torch.manual_seed(2)
    assert bits(first) == bits(network(MIXED, 2, 9, 9, dirac=dirac))


def test_another_seed_gives_other_weights():
    first, second = (bits(network(MIXED, 2, 9, 9, seed=seed)) for seed in (1, 2))
    assert {name for name in first if first[name] != second[name]} == {
        *("0.weight", "2.body.0.weight", "3.weight", "7.weight", "8.weight")
    }


@pytest.mark.parametrize(
    ("text", "shape", "window"),
    [
        ("conv(256, 3), flatten, dense(2)", (64, 3, 3), 64 * 9),
        ("conv(256, 5, groups=4), flatten, dense(2)", (32, 5, 5), 8 * 25),
        ("flatten, dense(500), dense(2)", (8, 8, 8), 512),
        ("local(32, 3), flatten, dense(2)", (16, 8, 8), 16 * 9),
    ],
)
def test_the_standard_deviation_is_that_of_he(text, shape, window):
    """√(2 / inputs) of a filter keeps the variance through a rectifier."""
    weight = next(part.weight for part in network(text, *shape).modules() if hasattr(part, "weight"))
    assert weight.std().item() == pytest.approx((2 / window) ** 0.5, rel=0.05)
    assert weight.mean().item() == pytest.approx(0, abs=0.05 * (2 / window) ** 0.5)


def test_the_last_layer_is_smaller():
    module = network("flatten, dense(400), relu, dense(400)", 4, 10, 10)
    assert module[3].weight.std().item() == pytest.approx((1 / 400) ** 0.5, rel=0.05)


def test_embeddings_have_a_standard_deviation_of_a_tenth():
    module = network("embed(500, 64), conv(4, 3), globalmax, dense(2)", 1, 1, 10)
    assert module[0].table.weight.std().item() == pytest.approx(0.1, rel=0.05)


def test_signals_neither_fade_nor_grow_through_twenty_layers():
    module = network("conv(32, 3, pad=1), relu, " * 20 + "flatten", 32, 6, 6)
    x = torch.randn(16, 32, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        spread = module(x).square().mean().sqrt().item()
    assert 0.02 < spread < 5  # zeros of the padding take their share at each edge


def test_biases_are_zero():
    biases = [p for name, p in network(MIXED, 2, 9, 9).named_parameters() if name.endswith("bias")]
    assert len(biases) == 7
    assert not any(p.any() for p in biases)


# --- dirac --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "conv(8, 3, pad=1), conv(8, 3, pad=1)",
        "conv(12, 3, pad=1), conv(8, 1), conv(16, 5, pad=2)",
        'conv(8, (1, 3), pad="same"), conv(9, (3, 1), pad="same"), conv(8, 3, pad=2, dilation=2)',
    ],
)
def test_dirac_convolutions_are_the_identity(text):
    module = network(f"conv(8, 3), {text}", 3, 9, 9, dirac=True)
    x = torch.randn(2, 8, 7, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(module[1:](x)[:, :8], x)


def test_dirac_convolutions_with_even_windows_are_the_identity():
    module = network('conv(4, 3), conv(4, 2, pad="same")', 3, 9, 9, dirac=True)
    x = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(module[1](x), x)


def test_a_dirac_convolution_with_stride_2_gives_every_second_pixel():
    module = network("conv(4, 3), conv(4, 3, stride=2, pad=1)", 3, 9, 9, dirac=True)
    x = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(module[1](x), x[:, :, ::2, ::2])


def test_the_first_convolution_and_filters_beyond_the_channels_are_random():
    module = network("conv(4, 3), conv(260, 3, pad=1), conv(4, 3, groups=4), flatten, dense(2)", 3, 9, 9, dirac=True)
    first, second, grouped = (module[n].weight for n in range(3))
    assert (first != 0).all()
    assert ((second[:4] != 0).sum((1, 2, 3)) == 1).all()
    assert (second[4:] != 0).all()
    assert second[4:].std().item() == pytest.approx((1 / 3 / 36) ** 0.5, rel=0.05)
    assert (grouped != 0).all()


# --- whiten -------------------------------------------------------------------------------------------------------


def pictures(count: int = 200, channels: int = 2, side: int = 12) -> torch.Tensor:
    """Noise whose neighbours are alike, as those of a photo are."""
    noise = torch.randn(count, channels, side + 2, side + 2, generator=torch.Generator().manual_seed(0))
    mixed = noise + 0.5 * noise.flip(1) + 3
    return nn.functional.avg_pool2d(mixed, 3, stride=1) * 20


def responses(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """(filters, positions): responses of the first convolution at every second position, as used by whitening."""
    with torch.no_grad():
        return module[0](inputs).flatten(2)[..., ::2].transpose(0, 1).flatten(1).double()


def test_responses_of_whitening_filters_are_uncorrelated_with_equal_variance():
    inputs, module = pictures(), network("conv(36, 3), relu, flatten, dense(2)", 2, 12, 12)
    assert whiten(module, inputs)
    answers = responses(module, inputs)
    torch.testing.assert_close(torch.cov(answers[:18]), torch.eye(18).double(), atol=0.01, rtol=0)
    assert torch.equal(module[0].weight[18:], -module[0].weight[:18])


def test_of_more_directions_than_filters_the_strongest_are_kept():
    """An eigenvector is divided by the root of its eigenvalue: the shortest filters see the most."""
    inputs, module = pictures(), network("conv(10, 3), relu, flatten, dense(2)", 2, 12, 12)
    assert whiten(module, inputs)
    patches = nn.functional.unfold(inputs, 3)[..., ::2].transpose(0, 1).flatten(1).double()
    strongest = torch.linalg.eigvalsh(torch.cov(patches)).flip(0)[:5]
    lengths = module[0].weight[:5].flatten(1).norm(dim=1).double()
    torch.testing.assert_close(lengths, (strongest + 5e-4).rsqrt(), atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(torch.cov(responses(module, inputs)[:5]), torch.eye(5).double(), atol=0.01, rtol=0)


def test_filters_beyond_the_eigenvectors_are_random_with_the_same_norm():
    inputs, module = pictures(channels=1), network("conv(400, 3), relu, flatten, dense(2)", 1, 12, 12)
    assert whiten(module, inputs)
    assert module[0].weight[18:].std().item() == pytest.approx(module[0].weight[:18].std().item(), rel=0.1)


def test_a_direction_without_variance_gives_finite_weights():
    module = network("conv(18, 3), relu, flatten, dense(2)", 1, 12, 12)
    assert whiten(module, torch.ones(50, 1, 12, 12))
    assert module[0].weight.abs().max() <= 5e-4**-0.5


def test_whitening_filters_are_frozen_and_the_bias_is_trained():
    module = network("conv(8, 3), relu, flatten, dense(2)", 2, 12, 12)
    assert whiten(module, pictures())
    assert {name for name, p in module.named_parameters() if not p.requires_grad} == {"0.weight"}


@pytest.mark.parametrize("text", ["relu, conv(8, 3), flatten, dense(2)", "flatten, dense(2)", "conv(8, 3, groups=2)"])
def test_a_network_without_a_first_convolution_is_not_whitened(text):
    module = network(text, 2, 12, 12)
    before = bits(module)
    assert not whiten(module, pictures())
    assert bits(module) == before
    assert all(p.requires_grad for p in module.parameters())


@pytest.mark.filterwarnings("ignore:std")
def test_a_single_filter_stays_finite():
    module = network("conv(1, 3), relu, flatten, dense(2)", 2, 12, 12)
    whiten(module, pictures())
    assert module[0].weight.isfinite().all()


def test_a_dilated_convolution_whitens_its_window():
    inputs, module = pictures(), network("conv(36, 3, dilation=2), relu, flatten, dense(2)", 2, 12, 12)
    whiten(module, inputs)
    torch.testing.assert_close(torch.cov(responses(module, inputs)[:18]), torch.eye(18).double(), atol=0.1, rtol=0)


def test_the_output_of_several_labels_starts_at_their_log_odds():
    """In the branches of a vote too; other layers of the same size keep their bias of 0."""
    module = network("vote((flatten, dense(2), relu, dense(2)), (flatten, dense(2)))", 1, 1, 1)
    targets = torch.tensor([[1.0, 0.0]] * 49)
    set_output_bias(module, Multilabel(["a", "b"]).initial_bias(targets))
    biases = [layer.bias.sigmoid().tolist() for layer in module.modules() if isinstance(layer, nn.Linear)]
    assert biases == [[0.5, 0.5], pytest.approx([0.99, 0.01]), pytest.approx([0.99, 0.01])]
