"""Pretrained weights: shared layers are copied, other layers are initialised and listed."""

from dataclasses import replace
from pathlib import Path

import neocog
import pytest
import torch
import toy
from neocog.commands.train import named_model
from neocog.core import checkpoint, transfer
from neocog.core.checkpoint import Card
from neocog.core.constants import NetworkConstants
from neocog.core.data import Data, DataSpec
from neocog.core.fit import EpochEnded
from neocog.core.initialize import initialize
from neocog.core.model_source import ModelSource
from neocog.core.network import Network, parse
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.run import RunFolder, resume, train
from neocog.core.transfer import Transferable

BLOCK = "residual(conv(6, 3, pad=1), batchnorm, relu, conv(6, 3, pad=1), batchnorm), relu"
SHALLOW = f"conv(6, 3, pad=1), batchnorm, relu, {BLOCK}, globalavg, dense(3)"
DEEP = f"conv(6, 3, pad=1), batchnorm, relu, {BLOCK}, {BLOCK}, {BLOCK}, globalavg, dense(3)"
SHAPE = (1, 8, 8)


def saved(file: Path, text: str = SHALLOW, labels: list[str] = toy.LABELS, domain: str = "toy") -> Path:
    """A model of random weights with non-trivial running statistics."""
    module = Network(SHAPE, parse(text)).module()
    initialize(module, seed=7)
    with torch.no_grad():
        module.train()(torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(0)))
    checkpoint.save(file, module.state_dict(), Card(domain, text, SHAPE, labels, {"scale": 255}))
    return file


def begun(text: str, file: Path, data: Data | None = None) -> tuple[torch.nn.Module, list[str]]:
    network = Network(SHAPE, parse(text))
    module = network.module()
    initialize(module, seed=1)
    loaded = transfer.begin(network, module, toy.DOMAIN, data or toy.data(), ModelSource(str(file)))
    return module.eval(), list(loaded.remarks)


def answers(file: Path) -> torch.Tensor:
    module = Network(SHAPE, parse(checkpoint.card(file).network)).module()
    module.load_state_dict(checkpoint.read_tensors(file))
    return module.eval()(inputs())


def inputs() -> torch.Tensor:
    return torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(3))


def test_the_same_network_gets_all_weights(tmp_path):
    module, remarks = begun(SHALLOW, saved(tmp_path / "m.safetensors"))
    assert torch.equal(module(inputs()), answers(tmp_path / "m.safetensors")) and remarks == []


def test_a_deeper_network_initially_gives_the_logits_of_the_pretrained_one(tmp_path):
    """New residual blocks end in a norm with scale 0, and a second rectifier changes nothing."""
    module, remarks = begun(DEEP, saved(tmp_path / "m.safetensors"))
    assert torch.equal(module(inputs()), answers(tmp_path / "m.safetensors"))
    assert remarks == ["--weights: 4 layers copied from a model of toy, 2 initialised anew (2 residual)"]


def test_new_blocks_are_trained(tmp_path):
    """The scale of 0 has a gradient, and after the first step so has the rest of the block."""
    module, _ = begun(DEEP, saved(tmp_path / "m.safetensors"))
    optimiser = torch.optim.SGD(module.train().parameters(), 0.1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for _ in range(2):
        optimiser.zero_grad()
        module(inputs()).square().sum().backward()
        optimiser.step()
    after = module.state_dict()
    assert not [name for name, value in before.items() if name.endswith("weight") and torch.equal(value, after[name])]


def test_other_labels_reinitialise_the_last_layer(tmp_path):
    """Labels are compared by name; everything before the last layer is copied."""
    trained = saved(tmp_path / "m.safetensors", labels=["cat", "cow", "dog"])
    module, remarks = begun(SHALLOW, trained)
    theirs = checkpoint.read_tensors(trained)
    differs = [name for name, value in module.state_dict().items() if not torch.equal(value, theirs[name])]
    assert differs == ["6.weight"]  # both biases are 0
    assert remarks == ["--weights: 3 layers copied from a model of toy, 1 initialised anew (1 dense)"]


def test_word_vectors_are_copied_only_with_their_vocabulary(tmp_path):
    text = "embed(9, 4), conv(6, 3), globalmax, dense(3)"
    card = Card("toy", text, (1, 1, 8), toy.LABELS, {"vocabulary": "of another text"})
    checkpoint.save(tmp_path / "m.safetensors", Network((1, 1, 8), parse(text)).module().state_dict(), card)
    theirs = checkpoint.read_tensors(tmp_path / "m.safetensors")
    network = Network((1, 1, 8), parse(text))
    for preprocessing, shared in (({"vocabulary": "of this"}, False), (card.preprocessing, True)):
        module = network.module()
        data = replace(toy.data(), preprocessing=preprocessing)
        transfer.begin(network, module, toy.DOMAIN, data, ModelSource(str(tmp_path / "m.safetensors")))
        assert torch.equal(module[0].table.weight, theirs["0.table.weight"]) == shared
        assert torch.equal(module[1].weight, theirs["1.weight"])


WORDY = "vote((embed({0}, 4), parallel((conv(6, 2), globalmax), (conv(6, 3), globalmax)), dense(3)), (bag({0}, 3),))"


def wordy(tokens: list[str], labels: list[str], rng: int) -> tuple[Network, torch.nn.Module, Data]:
    """A vote as in the recipe `swift` for texts, with random weights, and data of such tokens."""
    network = Network((1, 1, 8), parse(WORDY.format(len(tokens))))
    module = network.module()
    initialize(module, seed=rng)
    return network, module, replace(toy.data(), labels=labels, preprocessing={"vocabulary": tokens})


def test_branches_and_vectors_of_shared_tokens_are_copied(tmp_path):
    """Both branches of a vote end in logits; a bag counts tokens, and is reinitialised for another vocabulary."""
    domain = toy.with_capability(
        Transferable(lambda preprocessing: {}, tokens=lambda preprocessing: preprocessing["vocabulary"])
    )
    network, donor, data = wordy(["", "", "good", "bad", "film"], toy.LABELS, 1)
    card = Card("toy", str(network), (1, 1, 8), data.labels, data.preprocessing)
    checkpoint.save(tmp_path / "m.safetensors", donor.state_dict(), card)
    for labels, initialised in ((toy.LABELS, "1 embed, 1 bag"), (["a", "b", "c"], "1 embed, 1 dense, 1 bag")):
        network, module, data = wordy(["", "", "film", "new", "good", "one"], labels, 2)
        before = {name: value.clone() for name, value in module.state_dict().items()}
        (remark,) = transfer.begin(network, module, domain, data, ModelSource(str(tmp_path / "m.safetensors"))).remarks
        count = initialised.count("1")
        assert remark == (
            f"--weights: {5 - count} layers copied from a model of toy, {count} initialised anew ({initialised}), "
            "with the vectors of 2 tokens copied"
        )
        (learnt, _), (went_on, bag) = donor[0].branches, module[0].branches
        for mine, theirs in zip(went_on[1].branches, learnt[1].branches, strict=True):
            assert torch.equal(mine[0].weight, theirs[0].weight)
        assert torch.equal(went_on[0].table.weight[[2, 4]], learnt[0].table.weight[[4, 2]])
        kept = before["0.branches.0.0.table.weight"]
        assert torch.equal(went_on[0].table.weight[[0, 1, 3, 5]], kept[[0, 1, 3, 5]])
        assert torch.equal(went_on[2].weight, learnt[2].weight) == (labels == toy.LABELS)
        assert torch.equal(bag[0].table.weight, before["0.branches.1.0.table.weight"])


def test_a_network_of_tokens_gets_the_vocabulary_of_the_new_data(tmp_path):
    """The text of a network without a recipe contains the sizes of its vocabulary and labels."""
    text = "embed(50, 4), globalmax, dense(3)"
    card = Card("toy", text, (1, 1, 8), toy.LABELS, {"known": 50})
    checkpoint.save(tmp_path / "m.safetensors", Network((1, 1, 8), parse(text)).module().state_dict(), card)
    domain = toy.with_capability(NetworkConstants(lambda preprocessing: {"tokens": preprocessing["known"], "runs": 7}))
    plan = Plan.of(domain, DataSpec("files"), weights=ModelSource(str(tmp_path / "m.safetensors")))
    assert plan.network == "embed(tokens, 4), globalmax, dense(classes)"
    assert (
        transfer.with_constants("ngrams(3, 7), bag(7, 2)", {"tokens": 50, "runs": 7}) == "ngrams(3, runs), bag(runs, 2)"
    )


def test_inputs_are_preprocessed_as_for_the_pretrained_model(tmp_path):
    """They precede the options of a default recipe and follow those of a named one; typed options come first."""
    small = replace(toy.DOMAIN.recipes["small"], options={"size": 28})
    domain = toy.with_capability(
        Transferable(lambda preprocessing: preprocessing), replace(toy.DOMAIN, recipes={"small": small})
    )
    card = Card("toy", SHALLOW, SHAPE, toy.LABELS, {"size": 8, "fit": "pad"}, recipe="small")
    weights = Network(SHAPE, parse(SHALLOW)).module().state_dict()
    file = str(tmp_path / "m.safetensors")

    def options(card: Card, recipe: str | None = None, **typed: object) -> object:
        checkpoint.save(Path(file), weights, card)
        return Plan.of(domain, DataSpec("files", options=typed), recipe, weights=ModelSource(file)).source.options

    assert options(card) == {"size": 8, "fit": "pad"}
    assert options(card, recipe="small") == {"size": 28, "fit": "pad"}
    assert options(card, size=9, fit=None) == {"size": 9, "fit": "pad"}
    assert options(replace(card, recipe=None)) == {"size": 8, "fit": "pad"}
    assert options(replace(card, domain="other")) == {}


def test_layers_of_one_domain_initialise_another(tmp_path):
    """Another domain has other labels and perhaps other channels; the other layers are copied."""
    trained = saved(tmp_path / "m.safetensors", f"conv(6, 1), {SHALLOW}", ["a", "b", "c"], domain="sound")
    plan = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(trained)))
    module, remarks = begun(", ".join(map(str, plan.layers(3))), trained)
    theirs = checkpoint.read_tensors(trained)
    assert all(torch.equal(value, theirs[name]) for name, value in module.state_dict().items() if name[0] != "7")
    assert remarks == ["--weights: 4 layers copied from a model of sound, 1 initialised anew (1 dense)"]


def test_a_network_that_shares_nothing_is_refused(tmp_path):
    with pytest.raises(Problem, match="shares no layer that has weights with this network"):
        begun("conv(5, 3), globalmax, dense(3)", saved(tmp_path / "m.safetensors"))


def test_another_file_is_refused_by_a_domain_without_foreign_weights(tmp_path):
    (tmp_path / "notes.txt").write_text("weights")
    with pytest.raises(Problem, match=r"notes\.txt is not a model file"):
        begun(SHALLOW, tmp_path / "notes.txt")
    with pytest.raises(Problem, match=r"gone\.safetensors does not exist; expected a model\.safetensors"):
        begun(SHALLOW, tmp_path / "gone.safetensors")


def test_without_a_recipe_the_models_own_network_is_trained_further(tmp_path):
    """With its recipe at a fifth of the learning rate, or else its text with the number of new labels."""
    trained = saved(tmp_path / "m.safetensors", labels=["one", "two", "six"])
    further = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(trained)))
    assert further.layers(5)[-1].units == 5 and further.layers(3) == parse(SHALLOW)
    scaled = f"{SHALLOW.replace('globalavg', 'globalavg, dense(3), relu')}, scale(0.5)"
    spread = saved(tmp_path / "s.safetensors", scaled, labels=["one", "two", "six"])
    *before, last, _ = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(spread))).layers(5)
    assert last.units == 5 and before[-2].units == 3  # the last dense layer, whatever follows it
    card = replace(checkpoint.card(trained), recipe="small(width=6)")
    checkpoint.save(trained, checkpoint.read_tensors(trained), card)
    further = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(trained)))
    assert (further.recipe, further.settings.lr) == ("small(width=6)", 0.002)
    typed = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(trained)), changes={"lr": 0.5})
    assert typed.settings.lr == 0.5


def test_models_are_named_by_file_by_run_and_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    saved(Path("run/model.safetensors"))
    assert neocog.find("run").path == Path("run/model.safetensors")
    assert neocog.find("run").text == str(tmp_path / "run/model.safetensors")
    (tmp_path / "vgg16.pth").touch()
    assert neocog.find("vgg16.pth").path == Path("vgg16.pth")
    assert neocog.find("go").card.domain == "go"


def test_a_run_is_resumed_without_its_pretrained_model(tmp_path):
    trained = saved(tmp_path / "m.safetensors")
    plan = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(trained)), changes={"epochs": 1, "batch": 16})
    world, device = toy.World(), torch.device("cpu")
    train(plan, RunFolder(tmp_path / "run"), [], world, device)
    trained.unlink()
    epochs = []
    listener = lambda event: epochs.append(event.epoch.epoch) if isinstance(event, EpochEnded) else None  # noqa: E731
    resume(RunFolder(tmp_path / "run", resumed=True), toy.DOMAIN, {"epochs": 2}, [listener], world)
    assert epochs == [2]


def test_a_run_without_a_state_begins_again_from_its_named_model(tmp_path):
    """Stopped before its first save; a file that it began from may be gone, a model by name is found."""
    plan = Plan.of(toy.DOMAIN, DataSpec("files"), weights=ModelSource(str(saved(tmp_path / "m.safetensors"))))
    run = RunFolder(tmp_path / "run")
    train(replace(plan, settings=replace(plan.settings, epochs=1)), run, [], toy.World(), torch.device("cpu"))
    (tmp_path / "run/state.safetensors").unlink()
    asked = []
    find = lambda text: asked.append(text) or ModelSource(text)  # noqa: E731
    resume(RunFolder(tmp_path / "run", resumed=True), toy.DOMAIN, {}, [], toy.World(), find=find)
    assert asked == [str(tmp_path / "m.safetensors")]
    assert named_model("efficientnet-lite0").named is not None and named_model("gone.safetensors").named is None
