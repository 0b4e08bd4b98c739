"""Optimisers and the learning rate schedule, compared with torch and published formulas."""

import copy

import pytest
import torch
from fresh import loaded_by
from neocog.core.initialize import initialize
from neocog.core.network import Network, parse
from neocog.core.optimise import EMA, MANY_ROWS, Muon, apply_max_norm, lr_schedule, optimiser, orthogonal
from neocog.core.settings import Settings
from torch import nn
from torch.nn import functional as F

TEXT = "conv(6, 3), batchnorm, relu, conv(4, 3, bias=False), relu, flatten, dense(3)"


def network(text: str = TEXT, side: int = 7) -> nn.Module:
    module = Network((2, side, side), parse(text)).module()
    initialize(module, 0)
    return module


def names(module: nn.Module, group: dict[str, object]) -> set[str]:
    ids = {id(p) for p in group["params"]}
    return {name for name, p in module.named_parameters() if id(p) in ids}


# --- learning rate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("schedule", "half", "end"), [("linear", 0.5, 0), ("cosine", 0.5, 0), ("constant", 1, 1)])
def test_the_learning_rate_rises_from_a_tenth_and_falls(schedule, half, end):
    settings = Settings(schedule=schedule, warmup=0.2)
    assert lr_schedule(settings, 0) == pytest.approx(0.1)
    assert lr_schedule(settings, 0.1) == pytest.approx(0.55)
    assert lr_schedule(settings, 0.2) == 1
    assert lr_schedule(settings, 0.6) == pytest.approx(half)
    assert lr_schedule(settings, 1) == end


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.9])
def test_the_learning_rate_is_continuous_with_one_maximum(schedule, warmup):
    settings = Settings(schedule=schedule, warmup=warmup)
    rates = torch.tensor([lr_schedule(settings, n / 1000) for n in range(1001)])
    peak = int(warmup * 1000)
    assert rates.argmax() == peak
    assert rates[peak] == 1
    assert (rates[: peak + 1].diff() > 0).all()
    assert (rates[peak:].diff() <= 0).all()
    assert rates.diff().abs().max() < 0.02
    assert rates.min() >= 0


def test_without_a_warm_up_the_first_step_is_the_longest():
    assert [lr_schedule(Settings(warmup=0, schedule=name), 0) for name in ("linear", "cosine", "constant")] == [1, 1, 1]


# --- parameter groups ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_every_trainable_weight_is_updated_once_and_a_frozen_one_never(name):
    module = network()
    module[0].weight.requires_grad_(False)
    ids = [id(p) for group in optimiser(module, Settings(optimiser=name)).param_groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weights_decay_and_biases_and_norms_do_not(name):
    module = network("conv(4, 3), batchnorm, relu, local(2, 3), flatten, dense(3)")
    settings = Settings(optimiser=name, lr=0.02, weight_decay=0.3)
    weights, others = optimiser(module, settings).param_groups
    assert names(module, weights) == {"0.weight", "3.weight", "5.weight"}
    assert names(module, others) == {"0.bias", "1.weight", "1.bias", "3.bias", "5.bias"}
    assert (weights["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert weights["max_lr"] == weights["lr"] == others["max_lr"] == 0.02


def test_muon_updates_filters_and_adam_other_weights():
    module = network()
    filters, others = optimiser(module, Settings(optimiser="muon", lr=0.1, adam_lr=0.02)).param_groups
    assert names(module, filters) == {"0.weight", "3.weight"}
    assert names(module, others) == {"0.bias", "1.weight", "1.bias", "6.weight", "6.bias"}
    assert (filters["max_lr"], others["max_lr"]) == (0.1, 0.02)


def test_muon_works_without_filters_and_with_filters_only():
    assert len(optimiser(network("flatten, dense(3)"), Settings(optimiser="muon")).param_groups) == 1
    assert len(optimiser(network("conv(3, 3, bias=False)"), Settings(optimiser="muon")).param_groups) == 1


# --- steps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        Settings(optimiser="sgd", lr=0.05),
        Settings(optimiser="sgd", lr=0.2, momentum=0.0),
        Settings(optimiser="adamw", lr=0.01),
        Settings(optimiser="muon", lr=0.05, adam_lr=0.01),
    ],
    ids=["sgd", "sgd without momentum", "adamw", "muon"],
)
def test_forty_steps_halve_a_toy_loss(settings):
    torch.manual_seed(0)
    module, x, y = network(), torch.randn(32, 2, 7, 7), torch.arange(32) % 3
    step, losses = optimiser(module, settings), []
    for _ in range(40):
        loss = F.cross_entropy(module(x), y)
        losses.append(loss.item())
        step.zero_grad()
        loss.backward()
        step.step()
    assert losses[-1] < losses[0] / 2


TORCHS = {
    "adamw": lambda groups: torch.optim.AdamW(groups, betas=(0.9, 0.999), fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
    "sgd without momentum": lambda groups: torch.optim.SGD(groups, momentum=0.0),
}


@pytest.mark.parametrize("name", TORCHS)
def test_every_step_equals_torchs_bit_for_bit(name):
    """With weight decay, over steps at different rates, in the layout of a network that trains."""
    torch.manual_seed(0)
    ours = network().to(memory_format=torch.channels_last)
    theirs = copy.deepcopy(ours)
    settings = Settings(
        optimiser=name.split()[0], lr=0.05, weight_decay=0.1, momentum=0.0 if "without" in name else 0.9
    )
    step, free = optimiser(ours, settings), dict(theirs.named_parameters())
    groups = [
        {"params": [free[n] for n in free if n in names(ours, g)], **hyperparameters(g)} for g in step.param_groups
    ]
    reference = TORCHS[name](groups)
    for number, x in enumerate(torch.randn(5, 16, 2, 7, 7)):
        for module, stepper in ((ours, step), (theirs, reference)):
            for group in stepper.param_groups:
                group["lr"] = 0.05 / (1 + number)
            stepper.zero_grad()
            module(x).square().sum().backward()
            stepper.step()
    assert bits(ours) == bits(theirs)


def hyperparameters(group: dict[str, object]) -> dict[str, object]:
    return {"lr": group["lr"], "weight_decay": group["weight_decay"]}


def test_an_optimiser_does_not_import_torchs_compiler():
    """Importing it takes 1.5 CPU seconds; torch's optimisers do so when they are created."""
    program = (
        "import torch\n"
        "from neocog.core.optimise import Lbfgs, optimiser\n"
        "from neocog.core.settings import Settings\n"
        "for name in ('adamw', 'sgd', 'muon'):\n"
        "    module = torch.nn.Linear(2, 2)\n"
        "    module(torch.ones(1, 2)).sum().backward()\n"
        "    optimiser(module, Settings(optimiser=name)).step()\n"
        "x = torch.zeros(3, requires_grad=True)\n"
        "def loss():\n"
        "    x.grad = 2 * (x.detach() - 1)\n"
        "    return float((x.detach() - 1).square().sum())\n"
        "Lbfgs([x]).step(loss)\n"
        "assert torch.allclose(x, torch.ones(3)), x"
    )
    assert "torch._dynamo" not in loaded_by(program)


def test_sgd_looks_ahead_along_its_momentum():
    """Nesterov's: after gradients g and h, the step is along h + m·(m·g + h)."""
    module = nn.Linear(3, 2, bias=False)
    step = optimiser(module, Settings(optimiser="sgd", lr=0.1, momentum=0.6, weight_decay=0.0))
    g, h = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    for module.weight.grad in (g.clone(), h.clone()):
        before = module.weight.detach().clone()
        step.step()
    torch.testing.assert_close(before - module.weight.detach(), 0.1 * (h + 0.6 * (0.6 * g + h)))


# --- large tables -------------------------------------------------------------------------------------------------


def stepped(sparse: bool, steps: list[list[int]]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A table of vectors after steps on these rows, and its optimiser state."""
    torch.manual_seed(0)
    table = nn.Embedding(MANY_ROWS, 3, sparse=sparse)
    step = optimiser(nn.Sequential(table), Settings(lr=0.1, weight_decay=0.5))
    for rows in steps:
        step.zero_grad()
        (table(torch.tensor(rows)) * torch.arange(1.0, 4.0)).square().sum().backward()
        step.step()
    return table.weight.detach(), step.state[table.weight]


STEPS = [[1, 2, 2], [2, 3], [5], [1, 1, 3], [2]]


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_of_a_large_table_are_updated_as_by_torchs_adam_without_momentum(sparse):
    """Rows without a gradient stay bit for bit: without a first moment Adam does not update them."""
    torch.manual_seed(0)
    theirs = nn.Embedding(MANY_ROWS, 3)
    before = theirs.weight.detach().clone()
    step = torch.optim.Adam(theirs.parameters(), 0.1, betas=(0.0, 0.999))
    for rows in STEPS:
        step.zero_grad()
        (theirs(torch.tensor(rows)) * torch.arange(1.0, 4.0)).square().sum().backward()
        step.step()
    ours, _ = stepped(sparse, STEPS)
    torch.testing.assert_close(ours, theirs.weight.detach())
    assert torch.equal(ours[6:], before[6:])
    assert not torch.isclose(ours[[1, 2, 3, 5]], before[[1, 2, 3, 5]]).any()


def test_a_sparse_gradient_updates_a_table_like_a_dense_one():
    (sparse_table, state_of_sparse), (dense_table, state_of_dense) = stepped(True, STEPS), stepped(False, STEPS)
    torch.testing.assert_close(sparse_table, dense_table)
    assert torch.equal(state_of_sparse["named"], state_of_dense["named"])
    assert state_of_sparse["named"][:6, 0].tolist() == [0, 4, 5, 4, 0, 3]


def test_a_small_table_is_updated_like_other_weights():
    module = nn.Sequential(nn.Embedding(MANY_ROWS - 1, 2))
    assert [group.get("rows") for group in optimiser(module, Settings()).param_groups] == [None]
    large = nn.Sequential(nn.Embedding(MANY_ROWS, 2), nn.Linear(2, 2))
    groups = optimiser(large, Settings(weight_decay=0.1)).param_groups
    assert [(group.get("rows"), group["weight_decay"]) for group in groups] == [(None, 0.1), (None, 0), (True, 0)]


def test_a_frozen_table_is_not_optimised():
    module = nn.Sequential(nn.Embedding(MANY_ROWS, 2).requires_grad_(False), nn.Linear(2, 2))
    assert len(optimiser(module, Settings()).param_groups) == 2


# --- Muon ---------------------------------------------------------------------------------------------------------

SHAPES = [(8, 27), (27, 8), (16, 16), (64, 144), (128, 600)]


def quintic(x: torch.Tensor, steps: int) -> torch.Tensor:
    for _ in range(steps):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


@pytest.mark.parametrize("steps", [3, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthogonal_sends_each_singular_value_through_the_quintic(shape, steps):
    """And keeps the singular vectors: up to the eight bits of bfloat16."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    wanted = left @ torch.diag(quintic(values / values.norm(), steps)) @ right
    assert (orthogonal(matrix, steps) - wanted).norm() < 0.08 * wanted.norm()


def test_singular_values_end_near_1():
    """Those above 2% of the matrix's norm within five steps, those above 15% within three; none beyond 1.25."""
    x = torch.linspace(0, 1, 10_001)
    for steps, least in ((5, 0.02), (3, 0.15)):
        assert quintic(x, steps).max() < 1.25
        assert quintic(x[x > least], steps).min() > 0.6


@pytest.mark.parametrize(("steps", "low"), [(5, 0.5), (3, 0.1)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_matrices_become_nearly_orthogonal(shape, steps, low):
    for seed in range(4):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        values = torch.linalg.svdvals(orthogonal(matrix, steps))
        assert values.max() < 1.3
        assert values.min() > (low if shape[0] != shape[1] else 0.0)  # a square one may be all but singular
        assert 0.7 < values.mean() < 1.1


def test_orthogonal_is_scale_invariant_and_rotation_equivariant():
    matrix = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonal(1024 * matrix), orthogonal(matrix), atol=0.02, rtol=0)
    torch.testing.assert_close(orthogonal(matrix.T), orthogonal(matrix).T, atol=0.02, rtol=0)
    torch.testing.assert_close(orthogonal(-matrix), -orthogonal(matrix), atol=0, rtol=0)
    assert torch.equal(orthogonal(torch.zeros(3, 4)), torch.zeros(3, 4))
    assert orthogonal(matrix.double()).dtype == torch.float64


def test_a_step_normalises_filters_before_updating_them():
    p = nn.Parameter(torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(0)) * 7)
    before, p.grad = p.detach().clone(), torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    Muon([{"params": [p], "lr": 0.1, "max_lr": 0.1}], 0.0).step()
    wanted = before / before.norm() * 8**0.5 - 0.1 * orthogonal(p.grad.flatten(1)).view_as(p)
    torch.testing.assert_close(p.detach(), wanted)


def test_muon_looks_ahead_along_its_momentum():
    """Nesterov's: after gradients g and h, the step is along h + m·(m·g + h)."""
    p = nn.Parameter(torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0)))
    g, h = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    step = Muon([{"params": [p], "lr": 0.1, "max_lr": 0.1}], 0.6)
    for p.grad in (g.clone(), h.clone()):
        before = p.detach().clone()
        step.step()
    turned = before / before.norm() * 4**0.5 - p.detach()
    torch.testing.assert_close(turned, 0.1 * orthogonal((h + 0.6 * (0.6 * g + h)).flatten(1)).view_as(p))


def test_other_weights_are_updated_as_by_torchs_adam():
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.BatchNorm1d(7), nn.Linear(7, 3))
    theirs = copy.deepcopy(ours)
    steps = [
        optimiser(ours, Settings(optimiser="muon", adam_lr=0.02)),
        torch.optim.Adam(theirs.parameters(), 0.02, betas=(0.9, 0.95), eps=1e-8),
    ]
    for x in torch.randn(5, 16, 5):
        for module, step in zip((ours, theirs), steps, strict=True):
            step.zero_grad()
            module(x).square().sum().backward()
            step.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_a_weight_without_a_gradient_stays():
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    optimiser(module, Settings(optimiser="muon")).step()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


# --- averaged weights ---------------------------------------------------------------------------------------------


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}


def test_the_average_of_constant_weights_is_those_weights():
    module = network()
    average = EMA(module, 0.99)
    for step in range(50):
        average.update(step)
    assert {name: value.numpy().tobytes() for name, value in average.weights.items()} == bits(module)


def test_the_average_is_the_running_mean():
    """With the decay d once the start is forgotten, and (1 + step)/(10 + step) before."""
    module, wanted = nn.Linear(1, 1, bias=False), 0.0
    module.weight.data.zero_()
    average = EMA(module, 0.5)
    for step in range(1, 30):
        module.weight.data.fill_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * step
        assert average.weights["weight"].item() == pytest.approx(wanted)
    assert wanted == pytest.approx(29 - 1, abs=0.01)  # a decay of d is d/(1 − d) steps behind


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_weights_are_restored_bit_for_bit_even_after_an_exception(error):
    module = network()
    average = EMA(module, 0.9)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1)
    trained, averaged = bits(module), {name: value.numpy().tobytes() for name, value in average.weights.items()}
    assert trained != averaged
    try:
        with average.in_place():
            assert bits(module) == averaged
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    assert bits(module) == trained


def test_a_decay_of_0_keeps_nothing():
    module = network()
    average, trained = EMA(module, 0.0), bits(module)
    average.update(1)
    assert average.weights == {}
    with average.in_place():
        assert bits(module) == trained


def test_max_norm_shortens_only_rows_above_the_limit():
    """Kim 2014, section 2.1: whenever ‖w‖ > s after a step, ‖w‖ = s."""
    dense, conv = nn.Linear(4, 3), nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        dense.weight.copy_(torch.tensor([[3.0, 4, 0, 0], [0.3, 0.4, 0, 0], [0, 0, 0, 9]]))
        conv.weight.fill_(7)
    apply_max_norm(nn.Sequential(conv, dense), 3.0)
    torch.testing.assert_close(dense.weight.norm(dim=1), torch.tensor([3.0, 0.5, 3.0]))
    torch.testing.assert_close(dense.weight[0], torch.tensor([1.8, 2.4, 0, 0]))
    assert bool((conv.weight == 7).all())
