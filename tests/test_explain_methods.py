"""The methods of explanation compared with independent references, and their properties."""

import warnings
from dataclasses import replace

import pytest
import torch
from neocog.core import modules
from neocog.core.explain import methods, trust
from neocog.core.explain.interpretable import InterpretableNetwork, _spread
from neocog.core.explain.methods import METHODS, Subject
from neocog.core.initialize import initialize
from neocog.core.model import check_weights
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from torch import nn

PLAIN = "conv(6, 3), relu, maxpool(2), conv(8, 3), relu, maxpool(2), flatten, dense(20), relu, dense(3)"
NORMED = (
    "conv(6, 3, bias=False), maxpool(2), batchnorm, relu, conv(8, 3, pad=1, bias=False), batchnorm, relu, "
    "residual(conv(8, 3, pad=1, bias=False), batchnorm, relu, conv(8, 3, pad=1), batchnorm), relu, globalmax, "
    "dense(3), scale(0.5)"
)
ODD = (
    "parallel((conv(4, 1), elu), (conv(4, 3, pad='same'), maxpool(3, stride=1, pad=1))), maxout(2), l2pool(2), "
    "local(6, 3), gelu, globalbias, bias, globalavg, dense(3)"
)
POOLED = "conv(4, 3), leaky, avgpool(2), conv(4, 2), tanh, maxpool(3, stride=2), flatten, dropout, dense(3), sigmoid"
TEXT = (
    "vote((embed(40, 8), parallel((conv(3, 2), relu, globalmax), (conv(3, 3), relu, globalmax)), dropout, dense(3)), "
    "(ngrams(3, 50), bag(50, 3)))"
)
CLIPPED = (
    "conv(6, 3), scale(9), relu6, conv(8, 3), batchnorm, residual(conv(8, 3, pad=1), relu6), relu, globalavg, dense(3)"
)
BAGGED = "bag(40, 8), relu, dense(3)"
NETWORKS = {
    "plain": (PLAIN, (1, 16, 16)),
    "normed": (NORMED, (3, 16, 16)),
    "clipped": (CLIPPED, (3, 12, 12)),
    "odd": (ODD, (3, 12, 12)),
    "pooled": (POOLED, (2, 15, 15)),
    "text": (TEXT, (1, 1, 12)),
    "bagged": (BAGGED, (1, 1, 12)),
}


def subject_of(name: str, network_text: str = "") -> Subject:
    """A network with weights and statistics by chance, and four inputs; ids are followed by padding."""
    text, shape = NETWORKS[name]
    network = Network(shape, parse(network_text or text))
    words, rng = network.module(), torch.Generator().manual_seed(1)
    initialize(words, 0)
    x = torch.randn(4, *shape, generator=rng)
    if shape[:2] == (1, 1):
        x = torch.randint(1, 40, (4, *shape), generator=rng).float()
        x[:, :, :, 9:] = 0
    for module in words.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
            module.weight.data.uniform_(0.3, 1.5, generator=rng)
        if isinstance(module, modules.NGrams):
            keys = modules.hashed_runs(x[:, 0, 0].long(), 3).flatten().unique()
            module.keys.copy_(keys[keys > 0][: len(module.keys)])
        bias = getattr(module, "bias", None)
        if isinstance(bias, torch.Tensor):
            bias.data.normal_(0, 0.2, generator=rng)
    return Subject(network, words.eval(), x, torch.zeros_like(x))


def likeliest(subject: Subject) -> torch.Tensor:
    with torch.no_grad():
        return subject.module(subject.maps).argmax(1)


def of_targets(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return scores.gather(1, targets[:, None])[:, 0]


# --- independent references ------------------------------------------------------------------------------------------


def reference(subject: Subject, targets: torch.Tensor, kind: str) -> torch.Tensor:
    """Saliency, guided back-propagation and deconvnet by hooks on the relus and relu6s, in a few lines."""

    def hook(module, sent, arriving):
        if kind == "guided-backprop":
            return (sent[0].clamp_min(0),)  # the gradient has relu's own mask already
        if kind == "deconvnet":
            return (arriving[0].clamp_min(0),)
        return sent

    rectifiers = [m for m in subject.module.modules() if isinstance(m, nn.ReLU | nn.ReLU6)]
    handles = [m.register_full_backward_hook(hook) for m in rectifiers]
    x = subject.maps.clone().requires_grad_()
    of_targets(subject.module(x), targets).sum().backward()
    for handle in handles:
        handle.remove()
    return x.grad.abs().amax(1)


def test_the_clipped_network_is_clipped():
    """Otherwise the reference would be the same for relu6 and relu."""
    subject = subject_of("clipped")
    assert 0.05 < float((subject.module[:2](subject.maps) > 6).float().mean()) < 0.5


@pytest.mark.parametrize("network", ["plain", "normed", "clipped"])
@pytest.mark.parametrize("kind", ["saliency", "guided-backprop", "deconvnet"])
def test_the_three_gradients_agree_with_hooks(network, kind):
    subject = subject_of(network)
    targets = likeliest(subject)
    result = METHODS[kind].compute(subject, targets)
    torch.testing.assert_close(result, reference(subject, targets, kind), rtol=1e-5, atol=1e-5)


def test_the_three_gradients_differ_from_each_other():
    subject = subject_of("plain")
    first, second, third = (
        METHODS[kind].compute(subject, likeliest(subject)) for kind in ("saliency", "guided-backprop", "deconvnet")
    )
    assert all(float((a - b).abs().max()) > 0.1 for a, b in ((first, second), (second, third), (first, third)))


def as_torch_pool(module: nn.Module) -> nn.Module:
    """A max pool as an instance of torch's class itself, by which captum finds its rule; other modules unchanged."""
    if not isinstance(module, nn.MaxPool2d):
        return module
    return nn.MaxPool2d(module.kernel_size, module.stride, module.padding, ceil_mode=module.ceil_mode)


@pytest.mark.parametrize(
    "network",
    [
        "conv(6, 3), relu, conv(8, 3), relu, flatten, dense(20), relu, dense(3)",
        "conv(6, 3), maxpool(2), conv(8, 3), maxpool(2), flatten, dense(3)",
    ],
)
def test_deeplift_agrees_with_captum_where_that_is_complete(network):
    """On relus, or on max pools that do not overlap; with both, captum 0.9 misses its own completeness.

    No two numbers of the reference are equal: where they are, as under an input of zeros, which of them a pool chooses
    is a matter of rounding.
    """
    from captum.attr import DeepLift

    subject = subject_of("plain", network)
    baseline = torch.randn(subject.maps.shape, generator=torch.Generator().manual_seed(2))
    subject, targets = replace(subject, baseline=baseline), likeliest(subject)
    plain = nn.Sequential(*map(as_torch_pool, subject.module))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = DeepLift(plain).attribute(subject.maps, baseline, target=targets).sum(1).detach()
    torch.testing.assert_close(METHODS["deeplift"].compute(subject, targets), theirs, rtol=1e-4, atol=1e-5)


def test_occlusion_agrees_with_a_loop():
    subject = subject_of("plain")  # 16×16: covered point by point
    targets = likeliest(subject)
    result = METHODS["occlusion"].compute(subject, targets)
    with torch.no_grad():
        full = of_targets(subject.module(subject.maps), targets)
        for row, column in ((0, 0), (7, 3), (15, 15)):
            covered = subject.maps.clone()
            covered[:, :, row, column] = 0
            fall = full - of_targets(subject.module(covered), targets)
            torch.testing.assert_close(result[:, row, column], fall, rtol=1e-4, atol=1e-5)


def test_gradcam_agrees_with_the_formulas_of_the_paper():
    subject = subject_of("plain")
    targets = likeliest(subject)
    place = methods.places(subject.network)[4]  # the second relu: 8×5×5
    maps = subject.module[:5](subject.maps).detach().requires_grad_()
    of_targets(subject.module[5:](maps), targets).sum().backward()
    cam = ((maps.grad.mean((2, 3), keepdim=True) * maps).sum(1)).clamp_min(0).detach()
    assert place.row.output == (8, 5, 5)
    result = METHODS["gradcam"].compute(subject, targets)
    middles = [3 + 2 * i for i in range(5)]  # of windows that begin at 0, 2, … and are 8 pixels wide: 3.5, 5.5, …
    for i, row in enumerate(middles[:-1]):
        for j, column in enumerate(middles[:-1]):
            around = result[:, row : row + 2, column : column + 2].mean((1, 2))
            grid = cam[:, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
            assert bool((around <= grid.amax((1, 2)) + 1e-5).all())
    assert float(result.max()) <= float(cam.max()) + 1e-5 and float(result.max()) > 0


def test_gradient_input_is_the_gradient_times_the_input():
    subject = subject_of("plain")
    targets = likeliest(subject)
    x = subject.maps.clone().requires_grad_()
    of_targets(subject.module(x), targets).sum().backward()
    torch.testing.assert_close(METHODS["gradient-input"].compute(subject, targets), (x.grad * x).sum(1).detach())


# --- properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", ["integrated-gradients", "deeplift"])
def test_relevance_sums_to_the_difference_of_the_logits(network, method):
    """Completeness: within 1% of the difference to the logit of the baseline."""
    subject = subject_of(network)
    targets = likeliest(subject)
    result = METHODS[method].compute(subject, targets).sum((1, 2))
    with torch.no_grad():
        difference = of_targets(subject.module(subject.maps) - subject.module(subject.baseline), targets)
    allowed = 0.01 * difference.abs() + (1e-5 if method == "deeplift" else 1e-3)
    assert bool(((result - difference).abs() <= allowed).all()), (result, difference)


@pytest.mark.parametrize("network", NETWORKS)
def test_lrp_conserves_the_logit(network):
    """Conservation: the sum over positions is the logit, within 0.1%."""
    subject = subject_of(network)
    targets = likeliest(subject)
    with torch.no_grad():
        scores = of_targets(subject.module(subject.maps), targets)
    result = METHODS["lrp"].compute(subject, targets).sum((1, 2))
    assert bool(((result - scores).abs() <= 0.001 * scores.abs() + 1e-5).all()), (result, scores)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_applicable_method_gives_a_map_and_leaves_the_network_unchanged(network):
    subject = subject_of(network)
    targets = likeliest(subject)
    before = {name: weight.clone() for name, weight in subject.module.state_dict().items()}
    hooks = sum(len(m._forward_hooks) + len(m._backward_hooks) for m in subject.module.modules())
    for method in methods.compatible_methods(subject.network, subject.module):
        result = method.compute(subject, targets)
        assert result.shape == (4, *subject.maps.shape[2:]) and not result.requires_grad
        assert bool(torch.isfinite(result).all()) and float(result.abs().sum()) > 0
        assert method.signed or bool((result >= 0).all())
    assert all(torch.equal(weight, before[name]) for name, weight in subject.module.state_dict().items())
    assert hooks == sum(len(m._forward_hooks) + len(m._backward_hooks) for m in subject.module.modules()) == 0


@pytest.mark.parametrize("network", ["plain", "normed", "text"])
def test_a_batch_is_explained_as_its_inputs_alone(network):
    subject = subject_of(network)
    targets = likeliest(subject)
    for method in methods.compatible_methods(subject.network, subject.module):
        full = method.compute(subject, targets)
        first = Subject(subject.network, subject.module, subject.maps[2:3], subject.baseline[2:3])
        alone = method.compute(first, targets[2:3])
        room = 0.02 * float(alone.abs().max()) if method.name == "integrated-gradients" else 1e-4
        assert float((full[2] - alone[0]).abs().max()) <= room, method.name


def test_padding_has_no_relevance():
    subject = subject_of("text")
    for method in methods.compatible_methods(subject.network, subject.module):
        result = method.compute(subject, likeliest(subject))
        if method.name not in ("gradcam",):
            assert float(result[..., 9:].abs().max()) < 1e-6, method.name  # what batches of other sizes round apart


def test_an_opened_network_gives_the_same_logits():
    for name in NETWORKS:
        subject = subject_of(name)
        opened = InterpretableNetwork(subject.module, subject.maps)
        torch.testing.assert_close(opened(*opened.inputs), subject.module(subject.maps))


def test_tokens_share_the_relevance_of_their_ngrams():
    """An n-gram of one token at position 1, of two tokens at 2 and 3, of three at 4 to 6."""
    runs = torch.zeros(1, 3, 7)
    runs[0, 0, 1], runs[0, 1, 2], runs[0, 2, 4] = 1, 2, 3
    assert _spread(runs)[0, 0].tolist() == [0, 1, 1, 1, 1, 1, 1]


# --- selection of methods --------------------------------------------------------------------------------------------


def parsed(text: str, method: str, shape: tuple[int, ...] = (1, 12, 12)):
    network = Network(shape, parse(text))
    return methods.parse_methods(method, network, network.module())


def test_all_selects_the_applicable_methods():
    assert [m.name for m in parsed(PLAIN, "all", (1, 16, 16))] == list(METHODS)
    names = [m.name for m in parsed("flatten, dense(5), gelu, dense(2)", "all")]
    assert names == ["saliency", "gradient-input", "integrated-gradients", "occlusion", "deeplift", "lrp"]


@pytest.mark.parametrize(
    ("network", "method", "reason"),
    [
        ("conv(4, 3), gelu, flatten, dense(2)", "deconvnet", "the gradient of relu and relu6, and the network has n"),
        ("flatten, dense(2)", "gradcam", "the model has no convolution"),
        ("conv(4, 3), lrn, flatten, dense(2)", "deeplift", "it has no rule for layer 1, lrn"),
    ],
)
def test_an_inapplicable_method_is_reported_with_the_applicable_ones(network, method, reason):
    with pytest.raises(Problem, match=reason) as result:
        parsed(network, method)
    assert f"{method} does not fit this network" in str(result.value)
    assert "those that fit are saliency, gradient-input, integrated-gradients" in str(result.value)


def test_an_unknown_method_is_reported_with_a_suggestion_and_the_list():
    with pytest.raises(Problem, match=r"salincy is not a method \(did you mean saliency\?\); there are saliency, "):
        parsed(PLAIN, "salincy", (1, 16, 16))


def test_damaged_weights_are_named():
    subject = subject_of("plain")
    subject.module[0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(Problem, match="weights are damaged: the weight of layer 0 holds numbers that are not finite"):
        check_weights(subject.module)


# --- reliability -----------------------------------------------------------------------------------------------------


def test_the_area_under_a_curve_is_that_of_its_trapezoids():
    assert trust.area([1, 0]) == 0.5 and trust.area([1, 1, 1]) == 1 and trust.area([1, 0.5, 0]) == 0.5


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    rng = torch.Generator().manual_seed(0)
    first, second = (torch.randint(0, 9, (50,), generator=rng).double().numpy() for _ in range(2))
    assert trust.correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert trust.correlation(first, first) == pytest.approx(1) and trust.correlation(first, first * 0) == 0


def counting(width: int = 4) -> Subject:
    """A network whose logit of label 1 is the brightness of one corner."""
    network = Network((1, 8, 8), parse("flatten, dense(2)"))
    words = network.module().eval()
    with torch.no_grad():
        words[1].weight.zero_()
        words[1].bias.copy_(torch.tensor([4.0, 0.0]))
        words[1].weight[1].view(8, 8)[:width, :width] = 0.5
    x = torch.ones(1, 1, 8, 8)
    return Subject(network, words, x, torch.zeros_like(x))


def test_a_correct_map_is_better_than_a_random_order_and_its_negative_is_worse():
    subject = counting()
    right = torch.zeros(8, 8)
    right[:4, :4] = 1
    mask = torch.ones(8, 8, dtype=torch.bool)
    good, bad = trust.curves(subject, 1, right, mask), trust.curves(subject, 1, -right, mask)
    assert good.better_than_random and not bad.better_than_random
    assert good.areas[0] < good.random_deletion < bad.areas[0] and good.areas[1] > good.random_insertion > bad.areas[1]
    assert good.random_deletion == bad.random_deletion  # the same seed, the same orders
    assert good.deletion[0] == good.insertion[-1] > 0.9 and good.deletion[-1] == good.insertion[0] < 0.1


def test_a_map_that_does_not_depend_on_the_weights_fails_the_sanity_check():
    """The input as a map is the same for every network; a map of the weights is not."""
    subject = counting()
    subject.maps.uniform_(0, 1, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(8, 8, dtype=torch.bool)
    edges = methods.Method("input", "", True, lambda subject, targets: subject.maps[:, 0])
    same = trust.sanity_check(subject, 1, edges, subject.maps[0, 0], mask)
    saliency = METHODS["saliency"]
    map_ = saliency.compute(subject, torch.tensor([1]))[0]
    assert same == pytest.approx(1) and abs(trust.sanity_check(subject, 1, saliency, map_, mask)) < 0.4


def test_a_randomised_network_has_no_trained_weights():
    subject = subject_of("normed")
    fresh = trust.randomised(subject.module, 1)
    for (name, old), new in zip(subject.module.named_parameters(), fresh.parameters(), strict=True):
        assert not torch.equal(old, new), name
    norm = next(module for module in fresh.modules() if isinstance(module, nn.BatchNorm2d))
    assert not bool(norm.running_mean.any()) and bool((norm.running_var == 1).all())
