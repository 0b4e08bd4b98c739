"""The ten exercises of the lectures: what the core's own training answers, as shares of random starts."""

from functools import cache
from statistics import median

import neocog
import pytest
from neocog.web.playground.exercises import EXERCISES, run


@cache
def result(exercise: int, variant: int, starts: int = 5):
    return run(neocog.domain("playground"), EXERCISES[exercise - 1].variants[variant], starts)


def test_two_rectified_units_separate_no_closed_region():
    assert [result(1, 0).reached, result(1, 1).reached] == [0, 0]
    assert median(result(1, 0).losses) > 0.15


def test_three_rectified_units_do_from_most_starts():
    assert result(2, 0).reached >= 4 and result(2, 1).reached >= 3


@pytest.mark.slow
def test_tanh_separates_sooner_than_sigmoid():
    sigmoid, tanh = result(3, 0), result(3, 1)
    assert sigmoid.reached >= 3 and tanh.reached >= 4
    assert tanh.epochs_to_goal < sigmoid.epochs_to_goal
    assert tanh.gradients[0] > sigmoid.gradients[0]


def test_layers_without_an_activation_are_one_linear_map():
    for variant in range(3):
        assert result(4, variant, 2).reached == 0 and min(result(4, variant, 2).losses) > 0.4


@pytest.mark.slow
def test_three_units_are_the_smallest_network_and_some_starts_fail():
    two, three, four = (result(5, variant, 20) for variant in range(3))
    assert two.reached == 0 and 10 <= three.reached <= 20 and four.reached >= 15
    assert two.reached + three.reached + four.reached < 60  # not every start succeeds


def test_the_right_inputs_need_no_hidden_layer():
    assert [result(6, 0).reached, result(6, 1).reached] == [5, 5]


@pytest.mark.slow
def test_a_network_of_more_than_needed_has_small_weights_and_l1_makes_more():
    plain, sparse = result(7, 0), result(7, 1)
    assert plain.reached >= 3 and sparse.small > plain.small


@pytest.mark.slow
def test_the_spiral_takes_layers_and_gradients_shrink_with_sigmoid():
    rectified, sigmoid = result(8, 0), result(8, 2)
    assert rectified.reached >= 1 and sigmoid.reached == 0
    assert sigmoid.gradients[0] < sigmoid.gradients[-1] / 10


@pytest.mark.slow
def test_the_spiral_with_all_inputs_may_take_one_layer():
    assert sum(result(9, variant).reached for variant in range(3)) >= 1


@pytest.mark.slow
def test_six_layers_are_hard_to_train():
    results = [result(10, variant) for variant in range(3)]
    assert sum(entry.reached for entry in results) <= 3
    sigmoid = results[2]
    assert sigmoid.gradients[0] < sigmoid.gradients[-1] / 30
