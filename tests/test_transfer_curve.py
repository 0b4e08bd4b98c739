"""The accuracy of a new head by the number of kept layers, and the default for few examples."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from neocog.core import checkpoint, few, transfer
from neocog.core.checkpoint import Card
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.few import FewExamples
from neocog.core.fit import Training, build
from neocog.core.initialize import initialize
from neocog.core.model_source import ModelSource
from neocog.core.network import Network, parse
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.run import RunFolder, train
from neocog.core.targets import TargetSpec
from neocog.core.transfer import Transferable
from neocog.core.transfer_curve import counts_of, curve, default_counts
from test_keep import SHAPE, TEXT, plan, source


def training(tmp_path: Path) -> Training:
    chosen = plan(source(tmp_path), head_first=False)
    return build(chosen, toy.data(), World(), torch.device("cpu"), None)


def test_cuts_are_written_as_numbers_layers_and_steps(tmp_path):
    begun = training(tmp_path)
    assert counts_of(begun, "0,2,…,all") == [0, 2, 4, 6, 7]
    assert counts_of(begun, "all, 1, residual") == [1, 4, 7]
    assert counts_of(begun, "1,2,...,5") == [1, 2, 3, 4, 5]
    assert default_counts(begun)[0] == 0 and default_counts(begun)[-1] == 7
    for text, message in (("2,…,all", "two ascending numbers before …"), ("9", "beyond the layers before the head")):
        with pytest.raises(Problem, match=message):
            counts_of(begun, text)


def test_the_input_itself_separates_less_than_layers_behind_it(tmp_path):
    """The mean of a picture says little of where its patch is; maps of random filters with padding say more."""
    points = curve(training(tmp_path), [0, 4, 7], [], 1, 0)
    assert [point.kept for point in points] == [0, 4, 7] and points[0].layer == "the input"
    assert points[0].accuracy < points[-1].accuracy
    for point in points:
        low, high = point.interval
        assert low <= point.accuracy <= high and point.draws == 1


def test_few_examples_of_each_label_are_drawn_several_times(tmp_path):
    points = curve(training(tmp_path), [7], [2, 15], 6, 0)
    assert [(point.examples, point.draws) for point in points] == [(2, 6), (15, 6)]
    assert points[0].accuracy <= points[1].accuracy
    assert points == curve(training(tmp_path), [7], [2, 15], 6, 0)


def few_domain(tmp_path: Path, most: int = 100):
    """A toy domain with a named model, and settings for it."""
    named = source(tmp_path)
    read = lambda: (named.card, named.weights())  # noqa: E731
    transferable = Transferable(lambda preprocessing: {}, pretrained={"trunk": read}, tuning={"trunk": {"epochs": 2}})
    domain = toy.with_capability(transferable)
    capability = FewExamples("trunk", most, lambda data: data.preprocessing["scale"] == 255)
    return replace(domain, capabilities=(*domain.capabilities, capability))


def test_few_examples_start_from_a_pretrained_model_unless_a_network_is_named(tmp_path):
    """And with the settings and options of the user."""
    domain, data = few_domain(tmp_path), toy.data()
    chosen = few.plan_for(Plan.of(domain, DataSpec("files"), changes={"lr": 0.5}), data)
    assert chosen.weights.name == "trunk" and chosen.settings.head_first
    assert (chosen.settings.epochs, chosen.settings.lr) == (2, 0.5)
    for options in ({"recipe": "small"}, {"network": "flatten, dense(classes)"}, {"weights": source(tmp_path)}):
        named = Plan.of(domain, DataSpec("files"), **options)
        assert few.plan_for(named, data) is named
    many = Plan.of(few_domain(tmp_path, most=59), DataSpec("files"))
    assert few.plan_for(many, data) is many
    labels = replace(data, labels=["red|long", "red", "long"], target_spec=TargetSpec("multilabel"))
    assert few.plan_for(Plan.of(domain, DataSpec("files")), labels).weights.name == "trunk"
    other = Plan.of(domain, DataSpec("files"))
    numbers = replace(data, labels=["1", "2.5", "4"], target_spec=TargetSpec("regress"))
    assert few.plan_for(other, numbers) is other
    assert few.plan_for(other, replace(data, preprocessing={"scale": 1})) is other
    assert few.plan_for(Plan.of(toy.DOMAIN, DataSpec("files")), data).weights is None


def test_the_default_for_few_examples_says_so_and_how_to_decline(tmp_path):
    run = RunFolder(tmp_path / "run")
    begun = Plan.of(few_domain(tmp_path), DataSpec("files"), changes={"epochs": 1, "device": "cpu"})
    train(begun, run, [], World(), torch.device("cpu"))
    assert run.training.remarks[0] == (
        "60 training examples are few: training starts from trunk; to start from random weights: --recipe small"
    )


def test_a_first_convolution_of_colours_takes_grey_as_three_equal_channels(tmp_path):
    """Summed weights give for one channel what the model gives for three equal ones; other layers are copied."""
    colour = Network((3, *SHAPE[1:]), parse(TEXT))
    module = colour.module()
    initialize(module, seed=3)
    checkpoint.save(tmp_path / "rgb.safetensors", module.state_dict(), Card("toy", TEXT, colour.input, toy.LABELS, {}))
    grey = Network(SHAPE, parse(TEXT))
    mine = grey.module()
    initialize(mine, seed=4)
    loaded = transfer.begin(grey, mine, toy.DOMAIN, toy.data(), ModelSource(str(tmp_path / "rgb.safetensors")))
    x = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mine.eval()(x), module.eval()(x.expand(-1, 3, -1, -1)))
    assert loaded.remarks[-1] == (
        "the model after --weights takes 3 channels, these inputs have 1: the weights of its first convolution were "
        "summed over the channels"
    )
