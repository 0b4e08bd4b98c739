"""Laws of the search: counts, virtual losses, superko, the end of a game, and a tree that is kept between moves."""

import numpy as np
import pytest
from go_policies import divided_board, evaluate_by_area, evaluate_nothing
from neocog.go import search as searches
from neocog.go import tree
from neocog.go.board import Board
from neocog.go.coords import PASS, place
from neocog.go.position import POSITION
from neocog.go.search import Restriction, Search


def searched(board: Board, visits: int, **options) -> Search:
    search = Search(board, 7.5, **options)
    searches.run(search, evaluate_by_area, visits)
    return search


def atari_board() -> Board:
    """White's three stones at D4 to F4 have one liberty, G4; Black to move."""
    black = ["C4", "D5", "E5", "F5", "D3", "E3", "F3"]
    white = ["D4", "E4", "F4", "Q16", "Q17", "Q15", "R15"]
    stones = [place(name, 19) for name in [*black, *white]]
    return Board(19, stones=stones, stone_colours=[1] * len(black) + [2] * len(white)).with_turn(1)


def test_visits_are_those_asked_for_and_add_up():
    search = searched(Board(19), 100)
    result = search.result()
    assert result.visits == 100 and sum(move.visits for move in result.moves) == 99
    assert not search.nodes["pending"].any()


def test_sums_of_a_node_are_those_of_its_own_evaluation_and_of_its_children():
    search = searched(atari_board(), 200)
    nodes = search.nodes[: search.counts[0]]
    for index, node in enumerate(nodes):
        children = nodes[nodes["parent"] == index]
        own = node["visits"] - children["visits"].sum()  # 1; more where the game is over
        assert node["state"] == tree.END or own == (node["visits"] > 0)
        assert node["win"] == pytest.approx(own * node["own_win"] + children["win"].sum(), abs=1e-4)
        assert node["lead"] == pytest.approx(own * node["own_lead"] + children["lead"].sum(), abs=1e-2)


def test_a_capture_that_the_value_likes_is_found_below_an_indifferent_policy():
    corner = Restriction(allowed=frozenset(row * 19 + column for row in range(13, 18) for column in range(1, 7)))
    result = searched(atari_board(), 200, restriction=corner).result()
    assert result.moves[0].place == place("G4", 19)
    assert result.moves[0].lead > result.raw_lead


def test_the_same_board_gives_the_same_tree():
    first, second = (searched(atari_board(), 150) for _ in range(2))
    assert [move[:7] for move in first.result().moves] == [move[:7] for move in second.result().moves]
    assert (first.nodes == second.nodes).all()


def test_a_batch_holds_different_positions_and_its_visits_are_pending():
    search = Search(Board(19), 7.5)
    searches.run(search, evaluate_nothing, 60)
    leaves = search.collect(8)
    before = search.visits  # a position where the game is over was evaluated at once
    assert len({int(leaf.path[-1]) for leaf in leaves}) == len(leaves) > 3
    assert search.nodes[0]["pending"] == len(leaves) and 60 <= before < 65
    search.apply(leaves, evaluate_nothing(searches.batch_of([(search, leaf) for leaf in leaves])))
    assert search.nodes[0]["pending"] == 0 and search.visits == before + len(leaves)


def test_several_searches_share_a_forward_pass():
    sizes = []

    def counting(batch):
        sizes.append(len(batch.rows))
        return evaluate_by_area(batch)

    pairs = [(Search(board, 7.5), 1) for board in (Board(19), atari_board(), divided_board())]
    assert searches.grow(pairs, counting) == 3 and sizes == [3]


@pytest.mark.parametrize("size", [2, 3])
def test_moves_that_repeat_a_position_are_forbidden(size):
    """Against Board.repeats, on random games with many captures."""
    rng = np.random.default_rng(size)
    repetitions = 0
    for _ in range(30):
        board = Board(size)
        for _ in range(25):
            legal = np.array([board.legal(move) for move in range(size * size)])
            allowed = legal.copy()
            tree.forbid_repetitions(board.position, np.array(board.hashes, np.uint64), len(board.hashes), allowed)
            expected = [bool(legal[move]) and not board.repeats(move) for move in range(size * size)]
            assert allowed.tolist() == expected
            repetitions += int(legal.sum() - allowed.sum())
            moves = np.flatnonzero(legal)
            board.play(int(rng.choice(moves)) if len(moves) else PASS)
    assert repetitions


def test_a_ko_is_not_retaken_at_once():
    board = Board(19)
    for move in ("D4", "E4", "C3", "F3", "D2", "E2", "E3", "D3"):  # White's last move captures E3
        board.play(place(move, 19))
    assert board.ko == place("E3", 19)
    places = {int(edge["place"]) for edge in searched(board, 40)._root_edges()}
    assert place("E3", 19) not in places and len(places) == 361 - 7 - 1 + 1


def test_an_own_eye_is_not_filled():
    board = Board(19, stones=[1, 19, 20, 200], stone_colours=[1, 1, 1, 2]).with_turn(1)
    assert 0 not in {int(edge["place"]) for edge in searched(board, 1)._root_edges()}


def test_after_two_passes_the_area_without_dead_stones_counts():
    board = divided_board(rows=10, dead=True)  # Black owns 190 points, White 171
    board.play(PASS, 2)
    search = searched(board, 60)
    ended = search.nodes[: search.counts[0]]
    ended = ended[(ended["state"] == tree.END) & (ended["parent"] == 0)]
    assert len(ended) == 1 and ended[0]["own_lead"] == pytest.approx(190 - 171 - 7.5) and ended[0]["own_win"] == 1


def test_the_tree_below_a_played_move_is_kept():
    search = searched(atari_board(), 400)
    before = search.result()
    best = before.moves[0]
    search.advance(best.place)
    after = search.result()
    assert after.visits == best.visits and after.win == pytest.approx(best.win)
    assert tuple(move.place for move in after.moves)[:1] == best.pv[1:2]
    searches.run(search, evaluate_by_area, after.visits + 50)
    assert search.visits == after.visits + 50
    assert (search.board.board() == search_board_after(atari_board(), best.place)).all()


def search_board_after(board: Board, move: int):
    board.play(move)
    return board.board()


def test_a_move_that_was_not_read_begins_a_new_tree():
    search = searched(Board(19), 20)
    unread = next(move for move in range(361) if move not in [stats.place for stats in search.result().moves])
    search.advance(unread)
    assert search.visits == 0
    with pytest.raises(ValueError, match="occupied"):
        search.advance(unread)


def test_only_permitted_moves_are_tried_first():
    avoided = frozenset([place("A19", 19), PASS])
    result = searched(Board(19), 50, restriction=Restriction(avoided)).result()
    assert not avoided & {move.place for move in result.moves}
    result = searched(Board(19), 50, restriction=Restriction(allowed=frozenset([5, 7]))).result()
    assert {move.place for move in result.moves} == {5, 7}


def test_a_full_tree_ends_the_search(monkeypatch):
    monkeypatch.setattr(searches, "NODE_LIMIT", 30)
    search = searched(Board(19), 10_000)
    assert search.is_full and search.visits < 60


def test_komi_of_handicap_games_counts_the_stones():
    board = Board(19, stones=[72, 288], stone_colours=[1, 1]).with_turn(2)
    assert Search(board, 0.5, bonus=2).komi == 2.5 and np.isnan(Search(board, None).komi)


def test_win_and_lead_are_those_of_black():
    """The same position with the other colour to move: the values keep their side."""
    for turn in (1, 2):
        result = searched(divided_board(rows=12).with_turn(turn), 1).result()
        assert (
            result.turn == turn and result.raw_lead == pytest.approx(12 * 19 - 7 * 19 - 7.5) and result.raw_win > 0.99
        )


def test_policy_of_the_result_marks_illegal_moves():
    board = atari_board()
    policy = searched(board, 1).result().policy
    assert policy.shape == (362,) and policy[361] > 0
    for move in range(361):
        assert (policy[move] < 0) == (not board.legal(move))


def test_positions_are_copied_not_shared():
    search = searched(Board(19), 30)
    assert search.start.dtype == POSITION and search.start[0]["moves"] == 0
