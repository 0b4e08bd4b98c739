"""Inputs of unequal length: batches of similar length, trimmed if that does not change the output."""

import numpy as np
import pytest
import torch
import toy
from hypothesis import given
from hypothesis import strategies as st
from neocog.core import feed, modules
from neocog.core.data import Examples, concatenate
from neocog.core.initialize import initialize
from neocog.core.network import Network, parse
from neocog.core.tasks import Classify
from neocog.core.train import batches

WIDE = 64
TEXTS = "embed(50, 6)"
TRIMMED = {
    f"{TEXTS}, conv(4, 3), relu, globalmax, dense(2)": 3,
    f"{TEXTS}, parallel((conv(4, 3), relu, globalmax), (conv(4, 5), tanh, globalmax)), dropout, dense(2)": 5,
    f"{TEXTS}, conv(4, 3), batchnorm, sigmoid, maxpool(2), conv(4, 3), globalmax, dense(2)": 16,
    f"residual({TEXTS}, conv(4, 2), globalmax, dense(2), shortcut=(ngrams(3, 90), bag(90, 2)))": 3,
    "bag(50, 4), dense(2)": 1,
}
WHOLE = [
    f"{TEXTS}, conv(4, 3), relu, flatten, dense(2)",
    f"{TEXTS}, conv(4, 3, pad=1), globalmax, dense(2)",
    f"{TEXTS}, conv(4, 3), globalavg, dense(2)",
    f"{TEXTS}, local(4, 3), globalmax, dense(2)",
    f"{TEXTS}, bias, globalmax, dense(2)",
    f"{TEXTS}, maxpool(2, ceil=True), globalmax, dense(2)",
]


class Predictor:
    """A predictor that applies a module directly."""

    def __init__(self, text: str) -> None:
        network = Network((1, 1, WIDE), parse(text))
        self.task = Classify([])
        self.device, self.right_context = torch.device("cpu"), network.right_context
        self.module = network.module().eval()
        initialize(self.module, 0)
        self.widths: list[int] = []

    def inference(self):
        return torch.inference_mode()

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        self.widths.append(inputs.shape[-1])
        return self.module(inputs.float()[:, None, None])


def texts(count: int, longest: int = 40) -> Examples:
    rng = np.random.default_rng(0)
    lengths = torch.from_numpy(rng.integers(1, longest, count))
    inputs = torch.from_numpy(rng.integers(1, 50, (count, WIDE)).astype(np.int32))
    inputs[torch.arange(WIDE) >= lengths[:, None]] = 0
    return Examples(inputs, lengths % 2, [str(i) for i in range(count)], lengths)


@pytest.mark.parametrize(("text", "right_context"), TRIMMED.items())
def test_the_right_context_is_the_widest_window(text, right_context):
    assert Network((1, 1, WIDE), parse(text)).right_context == right_context


@pytest.mark.parametrize("text", WHOLE)
def test_a_network_that_depends_on_the_length_has_no_right_context(text):
    assert Network((1, 1, WIDE), parse(text)).right_context is None


@pytest.mark.parametrize("text", list(TRIMMED))
def test_a_trimmed_batch_gives_the_outputs_of_complete_inputs(text):
    """Alone, in a batch of similar lengths, and at full width."""
    model, examples = Predictor(text), texts(30)
    trimmed = feed.predict_proba(model, examples, size=7)
    assert min(model.widths) < WIDE
    alone = np.concatenate([feed.predict_proba(model, examples.subset(torch.tensor([i]))) for i in range(30)])
    model.right_context = None
    untrimmed = feed.predict_proba(model, examples)
    np.testing.assert_allclose(trimmed, untrimmed, atol=1e-6)
    np.testing.assert_allclose(alone, untrimmed, atol=1e-6)


def test_predictions_are_in_the_order_of_the_examples():
    model, examples = Predictor("bag(50, 4), dense(2)"), texts(30)
    backwards = torch.arange(29, -1, -1)
    np.testing.assert_allclose(
        feed.predict_proba(model, examples, size=4)[::-1],
        feed.predict_proba(model, examples.subset(backwards), size=4),
        atol=1e-6,
    )


def test_batches_of_shorter_inputs_are_larger(monkeypatch):
    """As many as have COLUMNS positions, at least MIN_BATCH, at most the requested number."""
    monkeypatch.setattr(feed, "COLUMNS", 300)
    model, examples = Predictor("bag(50, 4), dense(2)"), texts(300)
    counts: list[int] = []
    feed.map_batches(model, examples, lambda inputs, _: counts.append(len(inputs)) or inputs[:, :1], size=40)
    assert sum(counts) == 300 and counts[0] == feed.MIN_BATCH and max(counts) == 40
    assert counts[:-1] == sorted(counts[:-1])


@given(st.integers(2, 300), st.integers(1, 40), st.integers(0, 3))
def test_batches_by_length_hold_every_example_once_and_never_one_alone(count, size, epoch):
    lengths = torch.arange(count) % 17
    parts = batches(count, size, 0, epoch, None, lengths)
    assert sorted(torch.cat(parts).tolist()) == list(range(count))
    assert size == 1 or all(1 < len(part) <= size + 1 for part in parts)
    assert len(parts) == len(batches(count, size, 0, epoch))


def test_batches_by_length_leave_little_padding_and_differ_by_epoch():
    """In random batches of 10, the longest is usually close to the maximum."""
    lengths = torch.from_numpy(np.random.default_rng(0).integers(1, 101, 1000))

    def padding(parts):
        return sum(int(lengths[part].max()) * len(part) for part in parts) / int(lengths.sum()) - 1

    assert padding(batches(1000, 10, 0, 0)) > 0.7
    assert padding(batches(1000, 10, 0, 0, None, lengths)) < 0.1
    first, second = (batches(1000, 10, 0, epoch, None, lengths) for epoch in (0, 1))
    assert [part.tolist() for part in first] != [part.tolist() for part in second]
    assert lengths[first[0]].float().mean() != lengths[first[1]].float().mean()


def test_a_batch_is_as_wide_as_its_longest_and_the_right_context_rounded_up():
    examples = texts(30).with_right_context(5)
    indices = torch.tensor([0, 1])
    inputs, targets = examples[indices]
    longest = int(examples.lengths[indices].max())
    assert inputs.shape == (2, -(-(longest + 5) // 8) * 8) and targets.shape == (2,)
    assert texts(30)[indices][0].shape == (2, WIDE)


def test_subsets_and_concatenations_keep_the_lengths():
    examples = texts(30).with_right_context(3)
    both = concatenate([examples.subset(torch.arange(0, 10)), examples.subset(torch.arange(10, 30))])
    assert torch.equal(both.inputs, examples.inputs) and torch.equal(both.lengths, examples.lengths)
    assert both.names == examples.names


def ngrams_knowing(*known: list[int], longest: int = 3) -> torch.nn.Module:
    """An `ngrams` layer with some known n-grams."""
    module = modules.NGrams(longest, len(known) + 1)
    module.keys.copy_(
        torch.cat([modules.hashed_runs(torch.tensor([run]), len(run))[0, -1, :1] for run in known]).sort().values
    )
    return module


def test_known_ngrams_are_found_at_every_position():
    ids = ngrams_knowing([5], [6, 7], [6, 7, 5])(torch.tensor([[[[5.0, 6, 7, 5, 6, 7, 0, 0]]]]))[0, :, 0]
    assert (ids > 0).tolist() == [
        [True, False, False, True, False, False, False, False],
        [False, True, False, False, True, False, False, False],
        [False, True, False, False, False, False, False, False],
    ]
    assert sorted({*ids.flatten().tolist()}) == [0, 1, 2, 3]


def test_a_new_ngrams_layer_finds_no_ngrams():
    assert int(modules.NGrams(3, 90)(torch.randint(1, 50, (4, 1, 1, 20)).float()).max()) == 0


def test_ngrams_have_distinct_numbers_and_none_if_they_reach_padding():
    numbers = modules.hashed_runs(torch.tensor([[1, 2, 1, 2, 2, 0, 0]]), 3)[0]
    assert (numbers > 0).sum(1).tolist() == [5, 4, 3]
    assert numbers[1, 0] == numbers[1, 2] and len(numbers[numbers > 0].unique()) == 2 + 3 + 3
    pairs = torch.cartesian_prod(torch.arange(1, 401), torch.arange(1, 401))
    assert len(modules.hashed_runs(pairs, 2)[:, 1, 0].unique()) == 160_000


def test_a_bag_sums_rows_by_their_weights():
    module = Network((1, 1, 4), parse("bag(10, 3)")).module()
    table, weigh = module[0].table.weight, module[0].weigh
    weigh[2] = 0.5
    answer = module(torch.tensor([[[[2.0, 3, 3, 0]]]]))[0]
    torch.testing.assert_close(answer, 0.5 * table[2] + 2 * table[3])


def test_the_vector_of_padding_stays_zero():
    module = Network((1, 1, 8), parse("embed(9, 4), conv(3, 2), globalmax, dense(2)")).module()
    initialize(module, 0)
    optimiser = torch.optim.AdamW(module.parameters(), 0.1)
    for _ in range(3):
        module(torch.tensor([[[[1.0, 2, 3, 0, 0, 0, 0, 0]]]])).square().sum().backward()
        optimiser.step()
    assert module[0].table.weight[0].abs().sum() == 0 and module[0].table.weight[1].abs().sum() > 0


def test_a_static_table_is_not_trained():
    module = Network((1, 1, 8), parse("embed(9, 4, static=True), conv(3, 2), globalmax, dense(2)")).module()
    assert [name for name, p in module.named_parameters() if not p.requires_grad] == ["0.table.weight"]


def test_a_unit_bag_normalises_the_weights_of_an_input():
    module = Network((1, 1, 4), parse("bag(10, 3, unit=True)")).module()
    table, weigh = module[0].table.weight, module[0].weigh
    weigh[2], weigh[3] = 3.0, 4.0
    ids = torch.tensor([[[[2.0, 3, 0, 0]]], [[[0.0, 0, 0, 0]]]])
    answer = module(ids)
    torch.testing.assert_close(answer[0], 0.6 * table[2] + 0.8 * table[3])
    assert answer[1].abs().sum() == 0  # of an input with nothing known in it


def test_large_inputs_go_through_in_smaller_batches(monkeypatch):
    """Bounded by their numbers, so that photos need no more memory than small pictures; 25 at least."""
    monkeypatch.setattr(feed, "NUMBERS", 64 * 30)
    data, counts, model = toy.examples(70), [], toy.trainer()
    feed.map_batches(model, data, lambda inputs, _: counts.append(len(inputs)) or inputs[:, 0, 0, :1].float(), size=60)
    assert counts == [30, 30, 10]
