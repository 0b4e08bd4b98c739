"""Recipes are the networks of their papers, and begin with what is known of the words."""

import math

import numpy as np
import pytest
import torch
import toy
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.data import DataSpec
from neocog.core.initialize import initialize
from neocog.core.modules import Bag, NGrams
from neocog.core.network import Network
from neocog.core.problem import Problem
from neocog.core.tasks import Classify
from neocog.text import DOMAIN, begin, models, runs
from neocog.text.data import numbers as constants
from neocog.text.spelling import LONGEST_WORD, Spelling, letters

TOKENS = 1000


def network(recipe: str, classes: int = 2, length: int = 64, **told) -> Network:
    return Network((1, 1, length), models.RECIPES[recipe].layers(classes, tokens=TOKENS, runs=5000, **told))


def test_kim_has_the_parameters_of_the_paper():
    """Widths 3, 4, 5 of 300 numbers × 100 filters with biases, and 300 to 2 (section 3.1)."""
    words = TOKENS * 300
    assert network("kim").parameters == words + sum(100 * (300 * width + 1) for width in (3, 4, 5)) + 300 * 2 + 2
    assert (
        network("kim", variant="multichannel").parameters
        == 2 * words + sum(100 * (600 * width + 1) for width in (3, 4, 5)) + 300 * 2 + 2
    )


@pytest.mark.parametrize(("variant", "frozen"), [("rand", 0), ("static", 1), ("nonstatic", 0), ("multichannel", 1)])
def test_kim_keeps_the_tables_that_the_variant_says(variant, frozen):
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
def test_vdcnn_has_as_many_convolutions_as_its_depth_says(depth):
    """Depth counts the first convolution and two of each block (table 2); 512 maps of 8 go into the dense layers."""
    described = network("vdcnn", 4, 1024, depth=depth)
    convolutions = [m for m in described.module().modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size[1] == 3]
    assert len(convolutions) == depth
    assert next(row for row in described.rows if str(row.layer) == "flatten").output == (512 * 8,)


@pytest.mark.parametrize(
    ("recipe", "told", "message"),
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
def test_a_number_that_a_recipe_has_not(recipe, told, message):
    with pytest.raises(Problem) as caught:
        network(recipe, **told)
    assert message in str(caught.value)


@pytest.mark.parametrize("recipe", ["swift", "kim", "mlp"])
def test_networks_over_words_do_not_mind_padding(recipe):
    assert network(recipe).right_context is not None
    assert network("char-cnn", 2, 1014).right_context is None


# --- what a network begins with --------------------------------------------------------------------------------------


def test_log_ratios_are_those_of_wang_and_manning():
    """Two labels, counts (3, 1) and (0, 4), smoothed by 1: p = (4, 1)/5 … by hand."""
    ratios = runs.log_ratios(torch.tensor([[3.0, 1.0], [0.0, 4.0]]))
    p, q = (4, 1), (2, 5)
    expected = [[math.log(p[v] / 5) - math.log(q[v] / 7), math.log(q[v] / 7) - math.log(p[v] / 5)] for v in (0, 1)]
    torch.testing.assert_close(ratios, torch.tensor(expected))


def test_runs_are_counted_once_a_text():
    """A slow count in plain Python says how many texts of each label hold each run."""
    inputs = torch.tensor([[2, 3, 2, 3, 0, 0], [3, 2, 0, 0, 0, 0], [2, 3, 4, 0, 0, 0]], dtype=torch.int32)
    targets = [0, 1, 1]
    keys = runs.known(inputs, 2, longest=2)
    counts = runs.present(inputs, torch.tensor(targets), keys, 2, longest=2)
    slow: dict[tuple[int, ...], list[int]] = {}
    for row, target in zip(inputs.tolist(), targets, strict=True):
        row = [at for at in row if at]
        for run in {tuple(row[i : i + n]) for n in (1, 2) for i in range(len(row) - n + 1)}:
            slow.setdefault(run, [0, 0])[target] += 1
    often = {run: sum(counts) for run, counts in slow.items()}
    assert len(keys) == sum(len(run) == 1 or often[run] > 1 for run in slow)  # "3 4" stands in one text
    for run, expected in slow.items():
        if len(run) > 1 and often[run] == 1:
            continue
        key = int(runs.numbers_of(torch.tensor([run]), len(run))[0, -1, 0])
        assert counts[int(np.searchsorted(keys, key))].tolist() == expected


def test_too_many_runs_leave_the_commoner_ones(monkeypatch):
    monkeypatch.setattr(runs, "MOST", 3)
    inputs = torch.tensor([[2, 3, 5, 0], [2, 3, 6, 0]], dtype=torch.int32)
    assert len(runs.known(inputs, 2)) == 3  # 2, 3 and "2 3" occur twice


def runs_of(word: str) -> set[str]:
    """The runs of letters of a word, one after the other."""
    marked = f"<{word[:LONGEST_WORD]}>"
    return {marked[start : start + length] for length in (3, 4, 5) for start in range(len(marked) - length + 1)}


def test_letters_of_a_word_are_runs_of_three_to_five_with_its_bounds():
    assert runs_of("cat") == {"<ca", "cat", "at>", "<cat", "cat>", "<cat>"}


@given(st.lists(st.text(st.sampled_from("ab<é𝔸\ud800"), max_size=45), min_size=1, max_size=6))
def test_words_hold_the_same_run_where_its_number_is_the_same(words):
    """Whatever the letters, and however the runs of one word go on in the next."""
    holder, held = letters(words)
    slow = [(at, run) for at, word in enumerate(words) for run in runs_of(word)]
    assert np.all(np.diff(holder) >= 0)
    assert len(set(zip(holder, held, strict=True))) == len(holder) == len(slow)
    by_number, by_run = ({} for _ in range(2))
    for at, number in zip(holder.tolist(), held.tolist(), strict=True):
        by_number.setdefault(number, set()).add(at)
    for at, run in slow:
        by_run.setdefault(run, set()).add(at)
    assert sorted(map(sorted, by_number.values())) == sorted(map(sorted, by_run.values()))


def test_runs_of_letters_are_numbered_alike_in_every_process():
    """By length and by letter: an order of Python's sets would be another each time."""
    holder, held = letters(["at", "tat"])
    assert holder.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    # <at at> <at>, and <ta at> tat <tat tat> <tat>; runs from one word into the other have numbers too
    assert held.tolist() == [0, 3, 6, 1, 3, 5, 7, 11, 13]


def test_vectors_of_words_alike_begin_alike():
    vectors = Spelling(["stirring", "stirringly", "dull"]).vectors(256, torch.Generator().manual_seed(0))
    near, far = (float(torch.cosine_similarity(vectors[0], vectors[at], 0)) for at in (1, 2))
    assert near > 0.3 and abs(far) < 0.25
    assert float(vectors.std()) == pytest.approx(1, abs=0.25)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    lines = ["text,label"]
    for i in range(200):
        told = ["not good", "good", "so good"] if i % 2 else ["not bad", "bad", "so bad"]
        filler = rng.choice(["a", "the", "of", "and", "then"], 4)
        lines.append(f"{' '.join(filler)} {told[i % 3]} {i},{'gb'[i % 2]}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    return DOMAIN.load(DataSpec(str(tmp_path / "t.csv")), None, None)


def test_swift_answers_before_it_has_learned(data):
    numbers = constants(data.preprocessing)
    described = Network((1, 1, data.preprocessing["length"]), models.swift(2, **numbers))
    module = described.module()
    initialize(module, 0)
    begin.begin(module, data, DataSpec(""))
    module.eval()
    inputs = DOMAIN.frontend(data.preprocessing)(data.test.inputs)
    right = module(inputs).argmax(1) == data.test.targets
    assert float(right.float().mean()) > 0.95
    ngrams = next(m for m in module.modules() if isinstance(m, NGrams))
    bag = next(m for m in module.modules() if isinstance(m, Bag))
    assert len(ngrams.keys) == numbers["runs"] - 1 and bool((ngrams.keys.diff() > 0).all())
    assert bag.weigh[0] == 0 and float(bag.weigh[1:].max()) > 1


def test_beginning_twice_is_the_same(data):
    described = Network((1, 1, data.preprocessing["length"]), models.swift(2, **constants(data.preprocessing)))
    states = []
    for _ in range(2):
        module = described.module()
        initialize(module, 0)
        begin.begin(module, data, DataSpec(""))
        states.append(module.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_vectors_need_a_network_with_embed(data, tmp_path):
    (tmp_path / "v.txt").write_text("good 1 2 3\n")
    module = Network((1, 1, 64), models.mlp(2, 50)).module()
    with pytest.raises(Problem, match=r"--vectors needs a network with embed in it, such as --recipe kim"):
        begin.begin(module, data, DataSpec("", options={"vectors": str(tmp_path / "v.txt")}))


def test_vectors_go_into_every_table(data, tmp_path):
    (tmp_path / "v.txt").write_text("good 1.5 2.5 3.5\nbad -1 -2 -3\n")
    module = Network(
        (1, 1, 64), models.kim(2, data.preprocessing["tokens_known"], variant="multichannel", dim=3)
    ).module()
    remarks = begin.begin(module, data, DataSpec("", options={"vectors": str(tmp_path / "v.txt")}))
    at = data.preprocessing["vocabulary"].index("good") + 2
    tables = [p for name, p in module.named_parameters() if "table" in name]
    assert len(tables) == 2 and all(table[at].tolist() == [1.5, 2.5, 3.5] for table in tables)
    assert "vectors of 3 numbers for 2 of" in remarks[0]


def test_a_run_of_swift_that_was_stopped_ends_with_the_same_weights(data):
    """The known runs and their weights are a part of the state, and the vote draws anew from each step's number."""
    from neocog.core.device import World
    from neocog.core.settings import Settings
    from neocog.core.train import Trainer

    described = Network((1, 1, data.preprocessing["length"]), models.swift(2, **constants(data.preprocessing)))
    settings = Settings().changed(models.SWIFT, {"epochs": 2, "batch": 16, "device": "cpu"})
    nothing = DOMAIN.augment("none", {})

    def trainer() -> Trainer:
        module = described.module()
        initialize(module, 0)
        frontend = DOMAIN.frontend(data.preprocessing)
        return Trainer(
            Classify(data.labels), frontend, module, settings, torch.device("cpu"), World(), described.right_context
        )

    whole, stopped, later = trainer(), trainer(), trainer()
    begin.begin(whole.network, data, DataSpec(""))
    begin.begin(stopped.network, data, DataSpec(""))
    list(toy.train(whole, data.train, data.valid, nothing))
    list(toy.train(stopped, data.train, data.valid, nothing, lambda trainer: trainer.number == 13))
    later.restore(*stopped.copy())
    list(toy.train(later, data.train, data.valid, nothing))
    ends = whole.network.state_dict(), later.network.state_dict()
    assert whole.number == later.number > 13
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
