"""Policies, players and playouts."""

import neocog
import numpy as np
import pytest
import torch
from go_policies import POINTS, by_hand, divided_board, model_file
from neocog.core.problem import Problem
from neocog.go import sgf
from neocog.go.board import Board, result
from neocog.go.coords import PASS, place
from neocog.go.eyes import is_eye
from neocog.go.planes import bytes_of, packed
from neocog.go.play.player import RESIGN, Player, is_finished
from neocog.go.play.playouts import run_playouts
from neocog.go.play.policy import Policy
from neocog.go.position import point_of
from neocog.go.symmetry import moved

RECORD = b"(;SZ[19];B[pd];W[dd];B[pq];W[dp];B[qk];W[nc];B[pf];W[jd];B[fq];W[cn];B[jp];W[qn])"


def rows_of(*boards: Board):
    return np.stack([packed(board.position) for board in boards])


@pytest.fixture
def board():
    return Board.from_game(sgf.read(RECORD))


@pytest.fixture
def model(tmp_path):
    return neocog.load(model_file(tmp_path / "m.safetensors"), "cpu")


# --- a policy ------------------------------------------------------------------------------------------------------


def test_probabilities_of_legal_moves_sum_to_one(model, board):
    empty = Board(19)
    probabilities = Policy(model)(rows_of(board, empty))
    assert probabilities.shape == (2, 361) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities[0] > 0).sum() == 361 - 12 and (probabilities[1] > 0).all()
    assert all(probabilities[0][place] == 0 for place in board.moves)


def test_probabilities_are_the_networks(model, board):
    rows = rows_of(board)
    with torch.inference_mode():
        direct = model.logits(torch.from_numpy(rows)).softmax(1).numpy()
    np.testing.assert_allclose(Policy(model)(rows), direct, atol=1e-6)


def test_labels_are_matched_by_their_names(tmp_path, model, board):
    """A model with labels in reverse order has the reversed probabilities."""
    turned = neocog.load(model_file(tmp_path / "turned.safetensors", POINTS[::-1]), "cpu")
    rows = rows_of(Board(19))  # where all is legal, the network's numbers are the same for both
    np.testing.assert_allclose(Policy(turned)(rows)[0], Policy(model)(rows)[0][::-1], rtol=1e-5)


def test_a_policy_over_all_symmetries_is_equivariant(tmp_path, board):
    policy = Policy(neocog.load(model_file(tmp_path / "all.safetensors"), "cpu", symmetries=8))
    (probabilities,) = policy(rows_of(board))
    for s in range(8):
        turned = Board(19)
        for move in board.moves:
            turned.play(int(moved(move, s)))
        (turned_probabilities,) = policy(rows_of(turned))
        np.testing.assert_allclose(
            turned_probabilities[[int(moved(place, s)) for place in range(361)]], probabilities, rtol=1e-3, atol=1e-6
        )


def test_a_position_without_a_legal_move_has_no_probabilities(model):
    nothing = np.zeros((1, bytes_of(19)), np.uint8)
    assert not Policy(model)(nothing).any()


@pytest.mark.parametrize(
    ("labels", "domain", "message"),
    [
        (POINTS, "vision", r"the model is of vision; expected a model trained on games of Go"),
        ([*POINTS[:-1], "A19"], "go", r"the model's 361 labels are not the 361 points of a board; expected a model"),
        (["cat", "dog"], "go", r"the model's 2 labels are not the 361 points of a board; expected a model"),
    ],
)
def test_a_model_of_another_domain_or_labels_is_refused(model, labels, domain, message):
    from dataclasses import replace

    model.card = replace(model.card, domain=domain)
    model.task = replace(model.task, labels=labels)
    with pytest.raises(Problem, match=message):
        Policy(model)


def test_damaged_weights_are_an_error(tmp_path, board):
    policy = Policy(neocog.load(model_file(tmp_path / "nan.safetensors", spoil=float("nan")), "cpu"))
    with pytest.raises(Problem, match=r"the network predicts numbers that are not finite: its weights are damaged"):
        policy(rows_of(board))


# --- random games --------------------------------------------------------------------------------------------------


def test_a_stone_in_an_eye_is_dead_and_the_surrounding_chains_are_alive():
    board = divided_board(dead=True)
    assert run_playouts(board).dead() == [place("B16", 19), place("B5", 19)]
    assert run_playouts(board).without_dead().score() == 190 - 171


def test_playouts_are_reproducible(board):
    first, again, different = (run_playouts(board, 50, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.leads, again.leads) and not np.array_equal(first.leads, different.leads)
    assert np.abs(first.ownership).max() <= 1 and first.win_rate(1, 7.5) + first.win_rate(2, 7.5) == pytest.approx(1)
    assert first.mean_lead(1, 7.5) == -first.mean_lead(2, 7.5)


def test_playouts_do_not_change_the_board(board):
    before = board.position.copy()
    run_playouts(board, 20)
    assert board.position.tobytes() == before.tobytes()


def drawn_board(drawing: str) -> Board:
    """A 9×9 board from a drawing, Black to move."""
    signs = [".XO".index(sign) for sign in drawing.split()]
    stones = [place for place, colour in enumerate(signs) if colour]
    return Board(9, stones=stones, stone_colours=[signs[place] for place in stones])


def test_a_chain_that_can_be_rescued_is_alive():
    """Black can put the three white stones on top into atari; without rescue they die in a third of the games."""
    drawing = """
        X . X O . . . . .
        X X O O . O . . .
        . X X X O . . . .
        X X . X O . . . .
        . X X X O . . O .
        X X X X O . . . .
        X . X X O . . . .
        X X X X O . O . .
        . X X X O . . . ."""
    assert run_playouts(drawn_board(drawing)).ownership[1, 3] < -0.6


def test_two_chains_in_seki_are_alive():
    """Neither colour may fill the two shared liberties; playouts must not put large chains into self-atari."""
    drawing = """
        X O O . X X O . .
        X O O . X X O . .
        X O O O X X O . .
        X X X X O O O . .
        . . . X O . . . .
        . . . X O . . . .
        . . . X O . . . .
        . . . X O . . . .
        . . . X O . . . ."""
    playouts = run_playouts(drawn_board(drawing))
    assert playouts.dead() == []
    assert playouts.ownership[0, 1] < -0.5 and playouts.ownership[0, 4] > 0.5


def test_results_have_the_format_of_records():
    assert [result(lead) for lead in (3.5, -0.5, 0, 12.0)] == ["B+3.5", "W+0.5", "0", "B+12"]


# --- a player ------------------------------------------------------------------------------------------------------


def test_a_game_against_itself_is_legal_fills_no_eye_and_ends():
    """Against itself, from the empty board until both pass."""
    board, player = Board(19), Player(by_hand, temperature=1, seed=1)
    while board.moves[-2:] != [PASS, PASS]:
        chosen = player.choose(board, board.turn, 7.5)
        if chosen != PASS:
            assert board.legal(chosen) and not board.repeats(chosen)
            assert not is_eye(board.position, point_of(board.position, chosen), board.turn)
        board.play(chosen)
        assert len(board.moves) < 1500
    assert len(board.moves) > 300


def test_choose_returns_the_likeliest_move_without_playing():
    board = Board(19)
    assert Player(by_hand).choose(board, 1, 7.5) == 0 and not board.moves
    assert [move.place for move in Player(by_hand).candidates(board)[:3]] == [0, 1, 2]


def test_temperature_draws_by_probability_and_a_seed_repeats():
    def policy(rows):
        probabilities = np.zeros((len(rows), 361), np.float32)
        probabilities[:, :3] = 0.5, 0.3, 0.2
        return probabilities

    moves = [Player(policy, 1, seed=seed).choose(Board(19), 1, 7.5) for seed in range(300)]
    counts = np.bincount(moves, minlength=3)[:3] / 300
    np.testing.assert_allclose(counts, [0.5, 0.3, 0.2], atol=0.08)
    assert Player(policy, 1, seed=5).choose(Board(19), 1, 7.5) == moves[5]


def test_a_player_repeats_no_position():
    """Even if simple ko allows it."""
    board = Board(19)
    board.hashes.append(board.copy()._hash_after(0))
    assert board.repeats(0) and board.legal(0)
    assert Player(by_hand).choose(board, 1, 7.5) == 1


def test_a_player_passes_after_a_pass_if_it_leads():
    """Black has 190 points, White 171: with a komi of 7.5 Black leads, and with 30 White."""
    board = divided_board()
    board.play(PASS, 2)
    assert Player(by_hand).choose(board, 1, 7.5) == PASS
    assert Player(by_hand).choose(divided_board(), 1, 7.5) != PASS  # no player has passed


def test_a_player_passes_after_a_pass_if_the_game_is_finished():
    """It is behind, but no empty point is reached by both colours."""
    board = divided_board()
    board.play(PASS, 2)
    assert is_finished(board) and Player(by_hand).choose(board, 1, 30) == PASS


def test_a_player_continues_after_a_pass_if_it_is_behind():
    board = Board(19, stones=[0, 360], stone_colours=[1, 2])
    board.play(PASS, 2)
    assert not is_finished(board) and Player(by_hand).choose(board, 1, 400) == 1


def test_a_player_passes_without_sensible_moves():
    """Only two true eyes are empty."""
    stones = [place for place in range(361) if place not in (20, 58)]
    board = Board(19, stones=stones, stone_colours=[1] * len(stones))
    assert Player(by_hand).choose(board, 1, 7.5) == PASS


def test_a_player_resigns_only_with_resign():
    board = divided_board(rows=3)  # 57 points for Black, 304 for White
    for _ in range(60):
        board.play(Player(by_hand).candidates(board)[-1].place if board.turn == 2 else PASS)
    assert Player(by_hand).choose(board, 1, 7.5) != RESIGN
    assert Player(by_hand, resign=0.05).choose(board, 1, 7.5) == RESIGN
    assert Player(by_hand, resign=0.05).choose(board, 2, 7.5) != RESIGN


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"temperature": -1}, r"--temperature is 0 \(the likeliest move\) to 100; got -1"),
        ({"resign": 5}, r"--resign is a share of games between 0 and 1, such as 0\.05; got 5"),
    ],
)
def test_values_out_of_range_are_refused(numbers, message):
    with pytest.raises(Problem, match=message):
        Player(by_hand, **numbers)
