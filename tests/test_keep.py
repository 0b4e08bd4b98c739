"""Keeping and freezing layers of a trained model, and solving its head first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.data import DataSpec
from neocog.core.finalize import finalize, kept_epoch
from neocog.core.fit import Begun, Finished, HeadSolved, Remark, fit
from neocog.core.head import PENALTIES, best_penalty, solve_head
from neocog.core.initialize import initialize
from neocog.core.keep import kept_layers
from neocog.core.model_source import ModelSource
from neocog.core.network import Network, parse
from neocog.core.optimise import optimiser
from neocog.core.plan import Plan
from neocog.core.problem import USAGE, Problem
from neocog.core.run import RunFolder, resume, train
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer
from torch.nn import functional as F

BLOCK = "residual(conv(6, 3, pad=1), batchnorm), relu"
TEXT = f"conv(6, 3, pad=1), batchnorm, relu, {BLOCK}, globalavg, dropout(0.5), dense(3)"
SHAPE = (1, 8, 8)
NETWORK = Network(SHAPE, parse(TEXT))
HEAD = 7  # the index of dense(3)


def source(folder: Path, labels: Sequence[str] = ("x", "y", "z")) -> ModelSource:
    """A model of random weights with running statistics of its own."""
    module = NETWORK.module()
    initialize(module, seed=7)
    with torch.no_grad():
        module.train()(torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(0)))
    file = folder / "trunk.safetensors"
    checkpoint.save(file, module.state_dict(), Card("toy", TEXT, SHAPE, list(labels), {"scale": 255}))
    return ModelSource(str(file))


def plan(weights: ModelSource, keep: str | None = None, freeze: bool = False, **changes: object) -> Plan:
    changes = {"epochs": 3, "batch": 16, "lr": 0.01, "device": "cpu"} | changes
    return Plan.of(toy.DOMAIN, DataSpec("files"), changes=changes, weights=weights, keep=keep, freeze=freeze)


def trained(chosen: Plan, labels: list[str] | None = None):
    *_, finished = fit(chosen, toy.data())
    assert isinstance(finished, Finished)
    return finished.training


def tensors(weights: ModelSource, count: int) -> dict[str, torch.Tensor]:
    return {name: value for name, value in weights.weights().items() if int(name.split(".")[0]) < count}


@pytest.mark.parametrize(("keep", "count"), [("all", 7), ("5", 5), ("1", 1), ("residual", 4), ("layer 4", 5)])
@pytest.mark.parametrize("augment", ["none", "noise"])
def test_frozen_layers_keep_every_parameter_and_every_statistic(keep, count, augment, tmp_path):
    """Bit for bit, with features that are computed once and with features of augmented inputs."""
    weights = source(tmp_path)
    training = trained(plan(weights, keep, freeze=True, augment=augment))
    after = training.trainer.network.state_dict()
    before = tensors(weights, count)
    assert before and all(torch.equal(after[name], value) for name, value in before.items())
    assert {name: value for name, value in training.selection.weights.items() if name in before}.keys() == before.keys()
    assert training.trainer.has_features == (augment == "none")
    assert str(training.network).endswith("dense(3)") and len(training.network.layers) == count + (
        1 if count == HEAD else 2
    )


def test_kept_layers_that_are_not_frozen_move(tmp_path):
    """All parameters, and all statistics of batch normalisation unless they are fixed, as they are by default."""
    weights = source(tmp_path)
    parameters = {name for name in tensors(weights, 5) if name.rpartition(".")[2] in ("weight", "bias")}
    for fixed, expected in ((True, parameters), (False, set(tensors(weights, 5)))):
        after = trained(plan(weights, "5", fixed_norms=fixed)).trainer.network.state_dict()
        assert {name for name, value in tensors(weights, 5).items() if not torch.equal(after[name], value)} == expected


def test_features_are_computed_once(tmp_path, monkeypatch):
    """The first layers see every example a single time, whatever the number of epochs."""
    counted = []
    frontend = toy.Frontend.forward
    monkeypatch.setattr(toy.Frontend, "forward", lambda self, x: counted.append(len(x)) or frontend(self, x))
    trained(plan(source(tmp_path), "all", freeze=True, epochs=5, head_first=False))
    assert sum(counted) == 2 + 60 + 15  # a sample to build with, training, validation


def test_a_frozen_network_gives_the_same_logits_from_features_and_from_inputs(tmp_path):
    training = trained(plan(source(tmp_path), "5", freeze=True))
    trainer, examples = training.trainer, toy.data().test
    with trainer.inference():
        from_features = trainer.logits(trainer.frozen_maps(trainer.frontend(examples.inputs)))
        torch.testing.assert_close(from_features, trainer.network(trainer.frontend(examples.inputs)))


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("8", r"--keep 8 is beyond the layers before the head \(layer 7, dense\(3\)\): keep 1 to 7, or all"),
        ("0", "--keep 0 keeps no layer; leave out --weights to train from random weights"),
        ("3.0.1", r"layer 3.0.1, batchnorm is inside layer 3, residual\(…\), which is kept or cut as a whole"),
        ("dense", r"--keep dense is beyond the layers before the head"),
        ("globalvag", r"the network has no layer globalvag \(did you mean globalavg\?\)"),
        ("relu", "relu is 2 layers; name one by its number: 2 relu, 4 relu"),
    ],
)
def test_what_is_no_place_to_cut_is_a_sentence_before_the_data_are_read(keep, message, tmp_path):
    with pytest.raises(Problem, match=message) as caught:
        plan(source(tmp_path), keep)
    assert caught.value.code == USAGE


def test_freezing_everything_is_refused(tmp_path):
    weights = source(tmp_path)
    with pytest.raises(Problem, match="all 8 layers with their weights would be frozen, and nothing would be trained"):
        list(fit(plan(weights, "all", frozen=8, head_first=False), toy.data()))


def test_transfer_options_need_a_model():
    for options in ({"keep": "all"}, {"freeze": True}, {"changes": {"head_first": True}}):
        with pytest.raises(Problem, match="are for the layers of a pretrained model; name it, as in --weights"):
            Plan.of(toy.DOMAIN, DataSpec("files"), **options)


def test_a_cut_keeps_maps_by_a_global_average_and_rows_as_they_are():
    assert ", ".join(map(str, kept_layers(NETWORK, "4", 9).layers[4:])) == "globalavg, dense(9)"
    assert ", ".join(map(str, kept_layers(NETWORK, "6", 9).layers[4:])) == "relu, globalavg, dense(9)"
    assert kept_layers(NETWORK, "all", 9).layers == NETWORK.layers


def test_rows_of_the_head_are_copied_by_the_name_of_their_label(tmp_path):
    weights = source(tmp_path, ["low", "x", "left"])
    begun = next(iter(fit(plan(weights, "all", head_first=False), toy.data())))
    assert isinstance(begun, Begun)
    head, theirs = begun.training.trainer.network.state_dict(), weights.weights()
    for row, source_row in ((toy.LABELS.index("low"), 0), (toy.LABELS.index("left"), 2)):
        assert torch.equal(head[f"{HEAD}.weight"][row], theirs[f"{HEAD}.weight"][source_row])
    assert any("with the rows of 2 labels copied" in remark for remark in begun.training.remarks)


def test_a_table_says_what_was_loaded_frozen_and_new(tmp_path):
    weights = source(tmp_path)
    begun = next(iter(fit(plan(weights, "5", freeze=True), toy.data())))
    rows = [(row.layers, row.weights == weights.name, row.weights, row.training) for row in begun.training.origins]
    assert rows[0] == ("0 to 4", True, weights.name, "frozen")
    assert rows[-1][:1] + rows[-1][2:] == ("6", "new", "trained")


def test_the_solved_head_is_the_minimum_that_scikit_learn_finds(tmp_path):
    """Multinomial logistic regression on the features, without label smoothing."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    begun = next(iter(fit(plan(source(tmp_path), "all", head_first=False, smoothing=0.0), toy.data())))
    trainer, examples = begun.training.trainer, toy.data().train
    solve_head(trainer, examples)
    network = trainer.network.eval()
    with torch.no_grad():
        features = network[:HEAD](trainer.frontend(examples.inputs))
        loss = float(F.cross_entropy(network(trainer.frontend(examples.inputs)), examples.targets))
    scaled = ((features - features.mean(0)) / features.std()).numpy()
    losses = []
    for penalty in (1e-1, 1e-2, 1e-3, 1e-4):  # of the mean loss; scikit-learn's C is of the sum, with ½ of the squares
        model = linear_model.LogisticRegression(C=1 / (2 * penalty * len(scaled)), tol=1e-8, max_iter=2000)
        p = model.fit(scaled, examples.targets.numpy()).predict_log_proba(scaled)
        losses.append(-p[range(len(p)), examples.targets.numpy()].mean())
    assert min(abs(loss - value) for value in losses) < 2e-3


def test_a_held_out_fold_knows_no_view_of_its_examples():
    """Examples that are there twice get the penalty of examples that are there once, not one for labels of noise."""
    rng = torch.Generator().manual_seed(0)
    features, targets = torch.randn(60, 40, generator=rng), torch.randint(0, 2, (60,), generator=rng)

    def penalty(views: int, together: int) -> float:
        order = (60 * torch.arange(views) + torch.randperm(60, generator=rng.manual_seed(1))[:, None]).flatten()
        if together == 1:
            order = order[torch.randperm(len(order), generator=rng)]
        rows, labels = features.repeat(views, 1), targets.repeat(views)
        loss = lambda weight, bias, used: F.cross_entropy(rows[used] @ weight.T + bias, labels[used])  # noqa: E731
        return best_penalty(loss, (2, 40), True, order, together)

    assert penalty(2, together=2) == penalty(1, together=1) == PENALTIES[0] > penalty(2, together=1)


def test_learning_rates_fall_geometrically_towards_the_first_layer():
    """From the last layer with weights to lr_first of its rate; layers without weights do not count."""
    module = Network(SHAPE, parse("conv(2, 3), relu, conv(3, 3), relu, flatten, dense(3)")).module()
    for name in ("adamw", "sgd", "muon"):
        settings = Settings(optimiser=name, lr=0.1, adam_lr=0.1, lr_first=0.01)
        rate = {p: group["max_lr"] for group in optimiser(module, settings).param_groups for p in group["params"]}
        rates = [rate[module[index].weight] for index in (0, 2, 5)]
        assert rates == pytest.approx([0.001, 0.01, 0.1])
        assert rate[module[0].bias] == pytest.approx(0.001)


def test_a_training_with_the_head_first_resumes_to_the_same_weights(tmp_path):
    """Stopped in the first epoch after the head was solved, and before the second."""
    weights = source(tmp_path)

    def run(name: str, stop: int | None) -> Path:
        chosen = plan(weights, "5", head_first=True, lr_first=0.1, augment="noise")
        stopped = RunFolder(tmp_path / name)

        def listener(event: object) -> None:
            if stop is not None and getattr(event, "number", 0) == stop:
                stopped.training.stop()

        train(chosen, stopped, [listener], toy.World(), torch.device("cpu"))
        if stop is not None:
            resume(RunFolder(tmp_path / name, resumed=True), toy.DOMAIN, {}, [], toy.World())
        return tmp_path / name / "state.safetensors"

    whole = checkpoint.read_tensors(run("whole", None))
    for stop in (1, 5):
        resumed = checkpoint.read_tensors(run(f"stopped-{stop}", stop))
        assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_frozen_training_resumes_to_the_same_weights(tmp_path):
    weights = source(tmp_path)
    folders = [RunFolder(tmp_path / name) for name in ("whole", "stopped")]
    for folder in folders:
        stop = folder.path.name == "stopped"
        listener = lambda event: folder.training.stop() if stop and getattr(event, "number", 0) == 5 else None  # noqa: B023, E731
        train(plan(weights, "5", freeze=True), folder, [listener], toy.World(), torch.device("cpu"))
    resume(RunFolder(tmp_path / "stopped", resumed=True), toy.DOMAIN, {}, [], toy.World())
    whole, resumed = (checkpoint.read_tensors(tmp_path / name / "state.safetensors") for name in ("whole", "stopped"))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert not any(name.startswith("optimiser.0.") and value.numel() > 100 for name, value in whole.items())


def test_a_head_that_is_no_dense_layer_is_a_sentence(tmp_path):
    text = "conv(6, 3, pad=1), relu, conv(3, 1), globalavg"
    module = Network(SHAPE, parse(text)).module()
    checkpoint.save(tmp_path / "m.safetensors", module.state_dict(), Card("toy", text, SHAPE, ["x", "y", "z"], {}))
    chosen = plan(ModelSource(str(tmp_path / "m.safetensors")), head_first=True)
    with pytest.raises(Problem, match=r"--head-first is for a network whose last layer with weights is dense"):
        list(fit(chosen, toy.data()))


def test_the_head_first_says_so(tmp_path):
    remarks = [event.text for event in fit(plan(source(tmp_path), "all"), toy.data()) if isinstance(event, Remark)]
    assert "the last layer was solved on 60 training examples, before all other layers (--head-first)" in remarks


def test_the_average_of_the_weights_begins_with_the_solved_head():
    module = Network(SHAPE, parse("flatten, dense(3)")).module()
    settings = Settings(average=0.9, head_first=True)
    data = toy.data()
    trainer = Trainer(Classify(toy.LABELS), toy.Frontend(), module, settings, torch.device("cpu"), toy.World())
    solve_head(trainer, data.train)
    assert torch.equal(trainer.ema.weights["1.weight"], module[1].weight)


def test_the_solved_head_is_kept_unless_an_epoch_is_better(tmp_path):
    """Epochs that make the validation loss worse, at a far too high rate, lose to the head, also within the noise."""
    events = list(fit(plan(source(tmp_path), "all", head_first=True, lr=30.0, patience=2, epochs=6), toy.data()))
    selection = events[-1].training.selection
    solved = next(event for event in events if isinstance(event, HeadSolved))
    assert solved.kept and selection.epoch == 0 and len(events[-1].training.trainer.history) == 2
    remarks = [event.text for event in events if isinstance(event, Remark)]
    assert any(text.startswith("the head alone, as epoch 0: val_loss ") for text in remarks)
    assert "stopped early: no epoch after epoch 0 was better, for --patience 2" in remarks


def test_a_run_that_keeps_the_solved_head_is_finished_and_says_so(tmp_path):
    folder = RunFolder(tmp_path / "run")
    chosen = plan(source(tmp_path), "all", head_first=True, lr=30.0, patience=1, epochs=2)
    train(chosen, folder, [], toy.World(), torch.device("cpu"))
    kept = finalize(folder)["kept_epoch"]
    assert kept["epoch"] == 0 and kept_epoch(finalize(folder)).startswith("kept the solved head, better than 1 epoch")
    saved = checkpoint.read_tensors(tmp_path / "run/model.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in folder.training.selection.weights.items())


def test_the_patience_of_a_model_gives_way_without_a_validation_split(tmp_path):
    data = toy.data(valid=0)
    chosen = plan(source(tmp_path), "all", head_first=True)
    begun = next(iter(fit(replace(chosen, settings=replace(chosen.settings, patience=4)), data)))
    assert begun.training.plan.settings.patience == 0
    with pytest.raises(Problem, match="--patience compares epochs by the validation split"):
        next(iter(fit(plan(source(tmp_path), "all", head_first=True, patience=4), data)))
