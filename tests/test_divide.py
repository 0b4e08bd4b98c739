"""The size of the test split, and other splits of the same examples."""

import pytest
from neocog.commands import parsing
from neocog.core.data import DataSpec
from neocog.core.problem import Problem
from neocog.core.sources.manifest import assign_splits
from neocog.core.sources.source import SampleInfo

SAMPLES = [SampleInfo(str(i), "ab"[i % 2]) for i in range(2000)]
DIGESTS = [str(i).encode() for i in range(2000)]


def indices_of_test(**fields) -> set[int]:
    splits, _ = assign_splits(SAMPLES, DIGESTS, DataSpec("d", **fields))
    return {i for i, split in enumerate(splits) if split == "test"}


@pytest.mark.parametrize("share", [0.05, 0.1, 0.15, 0.4])
def test_the_test_split_has_the_requested_share(share):
    assert len(indices_of_test(test_share=share)) / 2000 == pytest.approx(share, abs=0.025)


def test_a_smaller_test_split_is_a_subset_of_a_larger_one():
    assert indices_of_test(test_share=0.05) < indices_of_test(test_share=0.1) < indices_of_test()


def test_another_seed_gives_a_different_split_of_the_same_size():
    first, second = indices_of_test(test_share=0.1), indices_of_test(test_share=0.1, split=1)
    assert len(second) / 2000 == pytest.approx(0.1, abs=0.025)
    assert len(first & second) / len(first) < 0.25  # a tenth is expected


def test_the_validation_share_is_of_the_examples_outside_the_test_split():
    def splits(**fields) -> list[str]:
        return assign_splits(SAMPLES, DIGESTS, DataSpec("d", test_share=0.1, **fields))[0]

    assert splits(valid_share=0.3).count("valid") == pytest.approx(0.3 * 0.9 * 2000, abs=60)
    without = splits(valid_share=0.0)
    assert set(without) == {"train", "test"}
    assert [split == "test" for split in without] == [split == "test" for split in splits()]  # no other moves


@pytest.mark.parametrize("share", ["test_share", "valid_share"])
def test_a_share_without_training_examples_is_refused(share):
    with pytest.raises(Problem, match=rf"--{share.replace('_', '-')} is from 0 to 0.9; got 2"):
        parsing.source("d", {}, **{share: 2.0})
