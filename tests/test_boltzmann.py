"""Restricted Boltzmann machines: the likelihood that contrastive divergence raises, and layers that start from them."""

import itertools

import pytest
import torch
from neocog.core.boltzmann import Boltzmann, learn, pretrain, windows
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from torch import nn

PATTERNS = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])


def log_likelihood(machine: Boltzmann, v: torch.Tensor) -> float:
    """The mean log-probability of binary examples, by the sum over all 2⁶ states (Hinton 2010, section 2)."""

    def free(states: torch.Tensor) -> torch.Tensor:
        return states @ machine.visible + nn.functional.softplus(states @ machine.weight.T + machine.hidden).sum(1)

    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=v.shape[1])))
    return float((free(v) - free(every).logsumexp(0)).mean())


def test_contrastive_divergence_raises_the_likelihood_of_its_examples():
    """Three patterns: at best each has a probability of a third, of which the logarithm is −1.1."""
    v = PATTERNS.repeat(200, 1)
    before, after = (learn(v, 8, epochs, torch.Generator().manual_seed(0), gaussian=False) for epochs in (0, 20))
    assert log_likelihood(before, PATTERNS) < -3.5 and log_likelihood(after, PATTERNS) > -2.2
    assert log_likelihood(after, 1 - PATTERNS) < log_likelihood(after, PATTERNS) - 1


def test_the_direction_of_contrastive_divergence_is_near_that_of_the_likelihood():
    rng = torch.Generator().manual_seed(0)
    machine = Boltzmann(0.1 * torch.randn(4, 6, generator=rng), torch.zeros(4), torch.zeros(6), gaussian=False)
    leaves = [parameter.clone().requires_grad_() for parameter in machine[:3]]

    def free(states):
        return states @ leaves[2] + nn.functional.softplus(states @ leaves[0].T + leaves[1]).sum(1)

    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)))
    (free(PATTERNS).mean() - free(every).logsumexp(0)).backward()
    mean = torch.zeros(4, 6)
    for _ in range(300):
        mean += machine.divergence(PATTERNS, rng)[0] / 300
    cosine = nn.functional.cosine_similarity(mean.flatten(), leaves[0].grad.flatten(), dim=0)
    assert cosine > 0.9


def test_a_gaussian_machine_reconstructs_numbers_better_than_their_mean():
    rng = torch.Generator().manual_seed(0)
    v = torch.randn(2000, 3, generator=rng) @ torch.randn(3, 12, generator=rng)
    v = (v - v.mean(0)) / v.std(0)
    assert learn(v, 24, 30, rng, gaussian=True).error(v) < 0.5  # of a variance of 1


def test_layers_before_a_sigmoid_start_from_machines_of_what_they_see():
    module = Network((1, 8, 12), parse("conv(9, (8, 5)), sigmoid, conv(7, 1), sigmoid, globalavg, dense(3)")).module()
    x = 3 + 2 * torch.randn(60, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    remark = pretrain(module, x, epochs=2, seed=0)
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert "layer 0" in remark and "layer 2" in remark
    again = Network((1, 8, 12), parse("conv(9, (8, 5)), sigmoid, conv(7, 1), sigmoid, globalavg, dense(3)")).module()
    pretrain(again, x, epochs=2, seed=0)
    assert torch.equal(again[0].weight, module[0].weight)


def test_the_first_layer_gives_what_its_machine_gives_for_standardised_windows():
    module = Network((1, 4, 6), parse("conv(5, 3), sigmoid, flatten, dense(2)")).module()
    x = 3 + 2 * torch.randn(50, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    pretrain(module, x, epochs=1, seed=0)
    rng = torch.Generator().manual_seed(0)
    v = windows(module[0], x, rng)
    mean, std = v.mean(0), v.std(0, correction=0)
    machine = learn((v - mean) / std, 5, 1, rng, gaussian=True)
    seen = nn.functional.unfold(x, 3).transpose(1, 2)
    expected = machine.hidden_probabilities((seen - mean) / std)
    given = module[1](module[0](x)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_a_sigmoid_is_refused():
    module = Network((1, 4, 4), parse("conv(3, 3), relu, flatten, dense(2)")).module()
    with pytest.raises(Problem, match="pre-trains layers in front of a sigmoid, and the network has none"):
        pretrain(module, torch.randn(4, 1, 4, 4), 1, 0)
