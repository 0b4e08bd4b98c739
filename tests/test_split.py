"""Examples are split by their content, in the same way on every machine."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.split import SPLITS, position, split


def keys(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(start, start + count)]


def below(cut: float, count: int, start: int = 0) -> list[bytes]:
    """The first `count` keys that lie below a cut."""
    return [key for key in keys(10_000, start) if position(key) < cut][:count]


def counts_by_label(splits: list[str], labels: list[str]) -> dict[str, Counter[str]]:
    return {
        label: Counter(name for name, other_label in zip(splits, labels, strict=True) if other_label == label)
        for label in set(labels)
    }


def test_places_are_deterministic():
    assert position(b"") == 0.711668941875411
    assert position(b"neocog") == 0.7577919974271015
    splits = ["train", "train", "valid", "train", "train", "test"]
    assert split([b"a", b"b", b"c", b"d", b"e", b"f"], ["x"] * 6, 0.2, 0.2) == (splits, [])


def test_places_are_uniform():
    tenths = Counter(int(10 * position(key)) for key in keys(20_000))
    assert set(tenths) == set(range(10))
    assert all(1850 < count < 2150 for count in tenths.values())


@pytest.mark.parametrize(("valid", "test"), [(0.1, 0.2), (0.0, 0.1), (0.15, 0.0), (0.0, 0.0), (0.3, 0.3)])
def test_the_shares_hold_within_a_point_and_a_half(valid, test):
    splits, rare = split(keys(20_000), ["ab"[n % 2] for n in range(20_000)], valid, test)
    shares = {name: splits.count(name) / len(splits) for name in SPLITS}
    assert shares == pytest.approx({"train": 1 - valid - test, "valid": valid, "test": test}, abs=0.015)
    assert rare == []


def test_a_share_of_zero_is_an_empty_split():
    splits, _ = split(keys(999), ["a"] * 999, 0.0, 0.0)
    assert set(splits) == {"train"}


@given(
    st.lists(st.integers(0, 10_000), unique=True, max_size=60),
    st.permutations(range(150)),
    st.sampled_from([(0.1, 0.2), (0.2, 0.0), (0.3, 0.3)]),
)
def test_adding_examples_moves_no_others(more, order, shares):
    """If each class has members in all splits; the order does not matter."""
    first = keys(150)
    label = {key: "abc"[int(key) % 3] for key in keys(10_001)}
    before = dict(zip(first, split(first, [label[key] for key in first], *shares)[0], strict=True))
    grown = [first[n] for n in order] + [b"%d" % n for n in more]
    after = dict(zip(grown, split(grown, [label[key] for key in grown], *shares)[0], strict=True))
    assert {key: after[key] for key in first} == before


@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from("abcd")), max_size=60))
def test_equal_keys_share_a_split(examples):
    """Whatever its labels: a duplicate under two labels, a patient with two diagnoses."""
    splits, _ = split([b"%d" % key for key, _ in examples], [label for _, label in examples], 0.2, 0.2)
    together: dict[int, set[str]] = {}
    for (key, _), name in zip(examples, splits, strict=True):
        together.setdefault(key, set()).add(name)
    assert all(len(splits) == 1 for splits in together.values())


@pytest.mark.parametrize("key", below(0.2, 3))
def test_a_class_of_one_stays_in_training_and_is_named(key):
    """One file, or one file many times, or one group: it cannot be on two sides."""
    others = [candidate for candidate in keys(50) if candidate != key]
    splits, rare = split([key, key, *others], ["one", "one"] + ["many"] * len(others), 0.2, 0.2)
    assert splits[:2] == ["train", "train"]
    assert rare == ["one"]


def test_a_class_of_one_group_stays_in_training_when_the_group_has_others_too():
    group = min(keys(50), key=position)
    rest = [key for key in keys(400) if position(key) > 0.5][:20]
    splits, rare = split([group, group, *rest], ["few", "many"] + ["many"] * 20, 0.0, 0.0001)
    assert rare == ["few"]
    assert splits[0] == "train"


def test_a_class_of_two_is_in_training_and_in_the_test():
    for start in range(0, 2000, 2):
        splits, rare = split(keys(2, start), ["a", "a"], 0.2, 0.2)
        assert splits.count("train") == 1, start
        assert rare == []


@pytest.mark.parametrize("chosen", [keys(3), [key for key in keys(99) if position(key) > 0.5][:3]], ids=["any", "high"])
def test_a_class_missing_from_a_split_gives_its_nearest_member(chosen):
    splits, _ = split(chosen, ["a"] * 3, 0.01, 0.01)
    by_place = sorted(zip(map(position, chosen), splits, strict=True))
    assert [name for _, name in by_place] == ["test", "valid", "train"]


@pytest.mark.parametrize(("valid", "test"), [(0.1, 0.1), (0.4, 0.4)])
def test_every_class_of_three_or_more_has_a_member_in_each_split(valid, test):
    labels = [str(n // 3) for n in range(6000)]
    splits, _ = split(keys(6000), labels, valid, test)
    assert all(set(counts) == set(SPLITS) for counts in counts_by_label(splits, labels).values())


@pytest.mark.parametrize(("valid", "test"), [(0.1, 0.1), (0.2, 0.0), (0.0, 0.3), (0.4, 0.4)])
def test_every_class_is_in_training(valid, test):
    labels = [str(n // 3) for n in range(3000)]
    splits, _ = split(keys(3000), labels, valid, test)
    assert all(counts["train"] for counts in counts_by_label(splits, labels).values())
