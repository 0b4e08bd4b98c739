"""Text recipes compared with their papers, and their initialisation from data."""

import math

import numpy as np
import pytest
import torch
import toy
from hypothesis import given
from hypothesis import strategies as st
from neocog import load
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.export import export
from neocog.core.fit import State, fit
from neocog.core.initialize import initialize as initialize_randomly
from neocog.core.modules import Bag, Embed, NGrams
from neocog.core.network import Network
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.run import RunFolder, train
from neocog.core.tasks import Classify
from neocog.text import DOMAIN, initialize, models, ngrams
from neocog.text.data import numbers as constants
from neocog.text.spelling import MAX_CHARACTERS, Spelling, character_ngrams
from torch.nn.functional import cross_entropy

TOKENS = 1000


def network(recipe: str, classes: int = 2, length: int = 64, **options) -> Network:
    layers = models.RECIPES[recipe].layers(classes, tokens=TOKENS, runs=5000, **options)
    return Network((1, 1, length), layers)


def test_kim_has_the_parameters_of_the_paper():
    """Widths 3, 4, 5 of 300 numbers × 100 filters with biases, and 300 to 2 (section 3.1)."""
    words = TOKENS * 300
    assert network("kim").parameters == words + sum(100 * (300 * width + 1) for width in (3, 4, 5)) + 300 * 2 + 2
    assert (
        network("kim", variant="multichannel").parameters
        == 2 * words + sum(100 * (600 * width + 1) for width in (3, 4, 5)) + 300 * 2 + 2
    )


@pytest.mark.parametrize(("variant", "frozen"), [("rand", 0), ("static", 1), ("nonstatic", 0), ("multichannel", 1)])
def test_kims_variant_decides_which_tables_are_frozen(variant, frozen):
    module = network("kim", variant=variant).module()
    assert sum(not p.requires_grad for p in module.parameters()) == frozen


def test_char_cnn_has_the_features_of_the_paper():
    """1,014 characters leave 34 frames: (1014 − 96)/27 (section 2.4)."""
    rows = network("char-cnn", 4, 1014).rows
    flat = next(row for row in rows if str(row.layer) == "flatten")
    assert flat.input == (256, 1, 34) and flat.output == (8704,)
    large = network("char-cnn", 4, 1014, size="large").rows
    assert next(row for row in large if str(row.layer) == "flatten").output == (1024 * 34,)


@pytest.mark.parametrize("depth", [9, 29])
def test_vdcnn_has_as_many_convolutions_as_its_depth(depth):
    """Depth counts the first convolution and two of each block (table 2); 512 maps of 8 go into the dense layers."""
    described = network("vdcnn", 4, 1024, depth=depth)
    convolutions = [m for m in described.module().modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size[1] == 3]
    assert len(convolutions) == depth
    assert next(row for row in described.rows if str(row.layer) == "flatten").output == (512 * 8,)


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (
            "kim",
            {"variant": "random"},
            "kim: variant is one of rand, static, nonstatic, multichannel (did you mean rand?)",
        ),
        ("char-cnn", {"size": "huge"}, "char-cnn: size is small or large; got huge"),
        ("vdcnn", {"depth": 10}, "vdcnn: depth is 9 or 29; got 10"),
    ],
)
def test_invalid_parameters_of_recipes_are_refused(recipe, options, message):
    with pytest.raises(Problem) as caught:
        network(recipe, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("recipe", ["swift", "kim", "mlp"])
def test_networks_over_words_ignore_padding(recipe):
    assert network(recipe).right_context is not None
    assert network("char-cnn", 2, 1014).right_context is None


# --- initialisation --------------------------------------------------------------------------------------------------


def test_log_ratios_are_those_of_wang_and_manning():
    """Two labels, counts (3, 1) and (0, 4), smoothed by 1: p = (4, 1)/5 … by hand."""
    ratios = ngrams.log_ratios(torch.tensor([[3.0, 1.0], [0.0, 4.0]]))
    p, q = (4, 1), (2, 5)
    expected = [[math.log(p[v] / 5) - math.log(q[v] / 7), math.log(q[v] / 7) - math.log(p[v] / 5)] for v in (0, 1)]
    torch.testing.assert_close(ratios, torch.tensor(expected))


def test_document_frequency_counts_each_text_once():
    """Compared with a slow count in plain Python."""
    inputs = torch.tensor([[2, 3, 2, 3, 0, 0], [3, 2, 0, 0, 0, 0], [2, 3, 4, 0, 0, 0]], dtype=torch.int32)
    targets = [0, 1, 1]
    keys = ngrams.select_ngrams(inputs, 2, max_n=2)
    frequency = ngrams.document_frequency(inputs, torch.tensor(targets), keys, 2, max_n=2)
    expected: dict[tuple[int, ...], list[int]] = {}
    for row, target in zip(inputs.tolist(), targets, strict=True):
        ids = [token for token in row if token]
        for ngram in {tuple(ids[i : i + n]) for n in (1, 2) for i in range(len(ids) - n + 1)}:
            expected.setdefault(ngram, [0, 0])[target] += 1
    totals = {ngram: sum(counts) for ngram, counts in expected.items()}
    assert len(keys) == sum(len(ngram) == 1 or totals[ngram] > 1 for ngram in expected)  # "3 4" is in one text
    for ngram, counts in expected.items():
        if len(ngram) > 1 and totals[ngram] == 1:
            continue
        key = int(ngrams.hashed_runs(torch.tensor([ngram]), len(ngram))[0, -1, 0])
        assert frequency[int(np.searchsorted(keys, key))].tolist() == counts


def test_of_too_many_ngrams_the_most_frequent_are_selected(monkeypatch):
    monkeypatch.setattr(ngrams, "MAX_NGRAMS", 3)
    inputs = torch.tensor([[2, 3, 5, 0], [2, 3, 6, 0]], dtype=torch.int32)
    assert len(ngrams.select_ngrams(inputs, 2)) == 3  # 2, 3 and "2 3" occur twice


def ngrams_of(word: str) -> set[str]:
    """The character n-grams of a word."""
    marked = f"<{word[:MAX_CHARACTERS]}>"
    return {marked[start : start + length] for length in (3, 4, 5) for start in range(len(marked) - length + 1)}


def test_character_ngrams_are_of_three_to_five_characters_with_boundaries():
    assert ngrams_of("cat") == {"<ca", "cat", "at>", "<cat", "cat>", "<cat>"}


@given(st.lists(st.text(st.sampled_from("ab<é𝔸\ud800"), max_size=45), min_size=1, max_size=6))
def test_equal_numbers_mean_equal_character_ngrams(words):
    """Compared with sets of strings; n-grams that span two words do not count."""
    word_index, numbers = character_ngrams(words)
    expected = [(index, ngram) for index, word in enumerate(words) for ngram in ngrams_of(word)]
    assert np.all(np.diff(word_index) >= 0)
    assert len(set(zip(word_index, numbers, strict=True))) == len(word_index) == len(expected)
    by_number, by_ngram = ({} for _ in range(2))
    for index, number in zip(word_index.tolist(), numbers.tolist(), strict=True):
        by_number.setdefault(number, set()).add(index)
    for index, ngram in expected:
        by_ngram.setdefault(ngram, set()).add(index)
    assert sorted(map(sorted, by_number.values())) == sorted(map(sorted, by_ngram.values()))


def test_the_numbers_of_character_ngrams_are_deterministic():
    """They do not depend on the order of Python's sets, which differs between processes."""
    word_index, numbers = character_ngrams(["at", "tat"])
    assert word_index.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    # <at at> <at>, and <ta at> tat <tat tat> <tat>; n-grams that span both words have numbers too
    assert numbers.tolist() == [0, 3, 6, 1, 3, 5, 7, 11, 13]


def test_words_spelt_alike_have_similar_initial_vectors():
    vectors = Spelling(["stirring", "stirringly", "dull"]).vectors(256, torch.Generator().manual_seed(0))
    similar, different = (float(torch.cosine_similarity(vectors[0], vectors[row], 0)) for row in (1, 2))
    assert similar > 0.3 and abs(different) < 0.25
    assert float(vectors.std()) == pytest.approx(1, abs=0.25)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    lines = ["text,label"]
    for i in range(200):
        phrases = ["not good", "good", "so good"] if i % 2 else ["not bad", "bad", "so bad"]
        filler = rng.choice(["a", "the", "of", "and", "then"], 4)
        lines.append(f"{' '.join(filler)} {phrases[i % 3]} {i},{'gb'[i % 2]}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    return DOMAIN.load(DataSpec(str(tmp_path / "t.csv")), None, None)


def test_swift_is_accurate_before_training(data):
    numbers = constants(data.preprocessing)
    described = Network((1, 1, data.preprocessing["length"]), models.swift(2, **numbers))
    module = described.module()
    initialize_randomly(module, 0)
    initialize.initialize(module, data, DataSpec(""), cross_entropy)
    module.eval()
    inputs = DOMAIN.frontend(data.preprocessing)(data.test.inputs)
    correct = module(inputs).argmax(1) == data.test.targets
    assert float(correct.float().mean()) > 0.95
    layer = next(m for m in module.modules() if isinstance(m, NGrams))
    bag = next(m for m in module.modules() if isinstance(m, Bag))
    assert len(layer.keys) == numbers["runs"] - 1 and bool((layer.keys.diff() > 0).all())
    assert bag.weigh[0] == 0 and float(bag.weigh[1:].max()) > 1


def test_initialisation_is_deterministic(data):
    described = Network((1, 1, data.preprocessing["length"]), models.swift(2, **constants(data.preprocessing)))
    states = []
    for _ in range(2):
        module = described.module()
        initialize_randomly(module, 0)
        initialize.initialize(module, data, DataSpec(""), cross_entropy)
        states.append(module.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_vectors_need_a_network_with_embed(data, tmp_path):
    (tmp_path / "v.txt").write_text("good 1 2 3\n")
    module = Network((1, 1, 64), models.mlp(2, 50)).module()
    with pytest.raises(Problem, match=r"--vectors needs a network with embed in it, such as --recipe kim"):
        initialize.initialize(module, data, DataSpec("", options={"vectors": str(tmp_path / "v.txt")}), cross_entropy)


def test_vectors_go_into_every_table(data, tmp_path):
    (tmp_path / "v.txt").write_text("good 1.5 2.5 3.5\nbad -1 -2 -3\n")
    module = Network(
        (1, 1, 64), models.kim(2, data.preprocessing["tokens_known"], variant="multichannel", dim=3)
    ).module()
    remarks = initialize.initialize(
        module, data, DataSpec("", options={"vectors": str(tmp_path / "v.txt")}), cross_entropy
    )
    row = data.preprocessing["vocabulary"].index("good") + 2
    tables = [p for name, p in module.named_parameters() if "table" in name]
    assert len(tables) == 2 and all(table[row].tolist() == [1.5, 2.5, 3.5] for table in tables)
    assert "vectors of 3 numbers for 2 of" in remarks[0]


def test_vectors_of_another_size_than_every_table_are_refused(data, tmp_path):
    (tmp_path / "v.txt").write_text("good 1 2 3\n")
    module = network("kim", dim=5).module()
    message = r"the vectors have 3 numbers, the network's embed has 5; write --network with embed\(tokens, vectors\)"
    with pytest.raises(Problem, match=message):
        initialize.initialize(module, data, DataSpec("", options={"vectors": str(tmp_path / "v.txt")}), cross_entropy)


def test_vectors_are_frozen_in_swift_and_the_trained_table_begins_as_without_them(data, tmp_path):
    """The table with as many numbers as the vectors gets them; the other has similar rows for similar spelling."""
    (tmp_path / "v.txt").write_text("good 1.5 2.5 3.5\nbad -1 -2 -3\n")
    tables = []
    for vectors, options in ((0, {}), (3, {"vectors": str(tmp_path / "v.txt")})):
        layers = models.swift(2, **{**constants(data.preprocessing), "vectors": vectors})
        module = Network((1, 1, data.preprocessing["length"]), layers).module()
        initialize_randomly(module, 0)
        initialize.initialize(module, data, DataSpec("", options=options), cross_entropy)
        tables.append([child.table.weight for child in module.modules() if isinstance(child, Embed)])
    (alone,), (frozen, trained) = tables
    assert frozen[data.preprocessing["vocabulary"].index("good") + 2].tolist() == [1.5, 2.5, 3.5]
    assert not frozen.requires_grad and trained.requires_grad
    assert torch.equal(alone[2:], trained[2:])


@pytest.fixture
def vectors_file(tmp_path):
    rows = np.random.default_rng(1).normal(size=(5, 6)).round(3)
    words = ["good", "bad", "not", "so", "the"]
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(words, rows, strict=True)]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "v.txt")


def trained_with_vectors(vectors_file, tmp_path):
    """The files of a run of swift with vectors of 6 numbers."""
    source = DataSpec(str(tmp_path / "t.csv"), options={"vectors": vectors_file})
    plan = Plan.of(DOMAIN, source, changes={"epochs": 2, "device": "cpu"})
    run_folder = RunFolder(str(tmp_path / "run"))
    train(plan, run_folder, [], World(), torch.device("cpu"))
    return run_folder


def test_frozen_vectors_do_not_move_and_the_model_says_where_they_are_from(data, vectors_file, tmp_path):
    run_folder = trained_with_vectors(vectors_file, tmp_path)
    model = load(str(tmp_path / "run"), "cpu")
    frozen, _ = (child.table.weight for child in model.module.modules() if isinstance(child, Embed))
    row = model.card.preprocessing["vocabulary"].index("good") + 2
    assert frozen[row].tolist() == pytest.approx(np.random.default_rng(1).normal(size=(5, 6)).round(3)[0].tolist())
    assert model.card.preprocessing["vectors"] == {"name": None, "size": 6}
    assert run_folder.training.data.preprocessing["vectors"]["size"] == 6


def test_a_model_with_vectors_is_exported_and_predicts_without_their_file(data, vectors_file, tmp_path):
    trained_with_vectors(vectors_file, tmp_path)
    (tmp_path / "v.txt").unlink()
    model = load(str(tmp_path / "run"), "cpu")
    assert model.evaluate(str(tmp_path / "t.csv"))["accuracy"] > 0.9
    program = export(model, data.test.inputs[:1]).module()
    with torch.inference_mode():
        for count in (1, 2, 5):
            x = data.test.inputs[:count]
            torch.testing.assert_close(program(x), model.task.link(model.module(x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("has_vectors", [False, True])
def test_an_interrupted_training_of_swift_ends_with_the_same_weights(data, vectors_file, has_vectors):
    """The state includes known n-grams and their weights, and the vote is seeded by the number of the step."""
    from neocog.core.settings import Settings
    from neocog.core.train import Trainer

    source = DataSpec("", options={"vectors": vectors_file} if has_vectors else {})
    numbers = {**constants(data.preprocessing), "vectors": 6 if has_vectors else 0}
    described = Network((1, 1, data.preprocessing["length"]), models.swift(2, **numbers))
    settings = Settings().changed(models.SWIFT, {"epochs": 2, "batch": 16, "device": "cpu"})
    identity = DOMAIN.augment("none", {})

    def trainer() -> Trainer:
        module = described.module()
        initialize_randomly(module, 0)
        frontend = DOMAIN.frontend(data.preprocessing)
        return Trainer(
            Classify(data.labels), frontend, module, settings, torch.device("cpu"), World(), described.right_context
        )

    complete, stopped, resumed = trainer(), trainer(), trainer()
    initialize.initialize(complete.network, data, source, cross_entropy)
    initialize.initialize(stopped.network, data, source, cross_entropy)
    list(toy.train(complete, data.train, data.valid, identity))
    list(toy.train(stopped, data.train, data.valid, identity, lambda trainer: trainer.number == 13))
    resumed.restore(*stopped.copy())
    list(toy.train(resumed, data.train, data.valid, identity))
    expected, state = complete.network.state_dict(), resumed.network.state_dict()
    assert complete.number == resumed.number > 13
    assert all(torch.equal(expected[name], state[name]) for name in expected)


def test_resuming_does_not_solve_the_linear_model_again(data, monkeypatch):
    def plan(epochs: int) -> Plan:
        return Plan.of(DOMAIN, DataSpec(""), recipe="swift", changes={"epochs": epochs, "device": "cpu"})

    *_, finished = fit(plan(1), data)
    trainer = finished.training.trainer
    state = State(trainer.tensors(), trainer.to_dict(), finished.training.selection, seconds=1.0)
    monkeypatch.setattr(initialize, "solve", None)  # calling it would raise
    begun = next(fit(plan(2), data, state=state))
    resumed = begun.training.trainer.network.state_dict()
    assert all(torch.equal(resumed[name], value) for name, value in trainer.network.state_dict().items())
