"""Collections: flattening, duplicates, packing for training, export and check."""

import json
import os
import signal
import subprocess
import sys
import time

import neocog
import numpy as np
import pytest
from neocog.core.data import DataSpec
from neocog.core.inputs import BytesInput, FileInput
from neocog.core.problem import DATA, USAGE, Problem
from neocog.go import export, pack, sgf
from neocog.go.check import report, result_of, year_of
from neocog.go.collection import read_collection
from neocog.go.collection_cache import read_cached
from neocog.go.coords import place, star_points, vertex
from neocog.go.game import Game
from neocog.go.games import Games, canonical, digest
from neocog.go.planes import packed, planes, unpacked
from neocog.go.positions import Positions
from neocog.go.symmetry import moved

LETTERS = "abcdefghijklmnopqrs"


def record(moves, extra="") -> bytes:
    nodes = "".join(
        f";{'BW'[i % 2]}[{LETTERS[m % 19]}{LETTERS[m // 19]}]" if m >= 0 else f";{'BW'[i % 2]}[]"
        for i, m in enumerate(moves)
    )
    return f"(;GM[1]SZ[19]{extra}{nodes})".encode()


def walk(seed: int, count: int = 60) -> list[int]:
    """Different points, none adjacent to another: no captures."""
    rng = np.random.default_rng(seed)
    points = [r * 19 + c for r in range(0, 19, 2) for c in range(0, 19, 2)]
    return rng.permutation(points)[:count].tolist()


@pytest.fixture
def collection(tmp_path):
    """Twelve games, two duplicates of one (turned, and longer), one with passes, one bad, one on 9×9."""
    folder = tmp_path / "games"
    folder.mkdir()
    for seed in range(12):
        (folder / f"{seed:02}.sgf").write_bytes(record(walk(seed), "RE[B+R]BR[7d]WR[6d]DT[2013-09-09]"))
    (folder / "20 turned.sgf").write_bytes(record(moved(np.array(walk(3)), 5).tolist()))
    (folder / "21 longer.sgf").write_bytes(record([*walk(3), 20, 22]))
    (folder / "22 passes.sgf").write_bytes(record([*walk(30, 10), -1, 40, -1], "RE[W+3.5]DT[1846]"))
    (folder / "23 bad.sgf").write_bytes(record([0, 0]))
    (folder / "24 small.sgf").write_bytes(b"(;SZ[9]AB[cc][gg];W[ee])")
    return folder


# --- flattening ----------------------------------------------------------------------------------------------------


def test_games_survive_flattening_saving_and_loading(collection, tmp_path):
    games = read_collection([str(collection)]).games
    games.save(tmp_path / "games.npz")
    again = Games.load(tmp_path / "games.npz")
    assert len(again) == 16 and again.names == games.names
    for path, index in zip(sorted(collection.glob("*.sgf")), [*range(15), None, 15], strict=True):
        if index is not None:
            original, loaded = sgf.read(path.read_bytes(), str(path)), again[index]
            assert original.info == loaded.info and original.size == loaded.size and original.first == loaded.first
            for name in ("moves", "colours", "stones", "stone_colours"):
                assert (getattr(original, name) == getattr(loaded, name)).all(), name


def test_a_damaged_file_of_games_is_an_error(tmp_path):
    (tmp_path / "games.npz").write_bytes(b"nothing")
    with pytest.raises(Problem, match=r"games\.npz is damaged .*; pack the games again"):
        Games.load(tmp_path / "games.npz")


def test_digests_identify_games_up_to_symmetry():
    game = Game.from_moves(19, walk(1))
    digests = {digest(Game.from_moves(19, moved(game.moves, s).tolist())) for s in range(8)}
    assert digests == {digest(game)}
    assert digest(Game.from_moves(19, walk(2))) != digest(game) != digest(Game.from_moves(19, walk(1)[:-1]))
    assert digest(Game.from_moves(19, walk(1)[:55]), 50) == digest(game, 50)
    assert canonical(Game.from_moves(9, [0])) != canonical(Game.from_moves(19, [0]))


# --- packing -------------------------------------------------------------------------------------------------------


def test_a_pack_holds_the_planes_and_moves_of_every_game(collection, tmp_path):
    index = pack.pack([str(collection)], tmp_path / "out", valid=0.2, test=0.2)
    rows = np.load(tmp_path / "out/positions.npy", mmap_mode="r")
    games = Games.load(tmp_path / "out/games.npz")
    starts = pack.first_rows(games)
    assert index["complete"] and len(rows) == index["positions"] == starts[-1]
    for index_of_game in range(len(games)):
        game, row = games[index_of_game], starts[index_of_game]
        for number, move in enumerate(game.moves.tolist()):
            if move >= 0:
                assert rows[row]["move"] == move
                assert (rows[row]["planes"] == packed(game.position(number))).all()
                row += 1
        assert row == starts[index_of_game + 1]
    assert not (tmp_path / "out/done.npy").exists()


def test_records_left_out_of_a_pack_are_listed(collection, tmp_path):
    index = pack.pack([str(collection)], tmp_path / "out")
    reasons = {os.path.basename(bad["file"]): bad["reason"] for bad in index["bad"]}
    assert reasons.keys() == {"20 turned.sgf", "23 bad.sgf", "24 small.sgf"}
    assert reasons["20 turned.sgf"].startswith("is the same game as ") and "03.sgf, up to" in reasons["20 turned.sgf"]
    assert reasons["23 bad.sgf"] == "move 2, white A19: the point is occupied"
    assert reasons["24 small.sgf"] == "is on 9×9; training takes 19×19"


def test_splits_are_ranges_and_longer_records_of_a_game_share_its_split(collection, tmp_path):
    index = pack.pack([str(collection)], tmp_path / "out", valid=0.3, test=0.3)
    assert [index["rows"][split][0] for split in ("train", "valid", "test")] == [
        0, index["rows"]["train"][1], index["rows"]["valid"][1],
    ]  # fmt: skip
    assert index["rows"]["test"][1] == index["positions"] and all(index["games"].values())
    games = Games.load(tmp_path / "out/games.npz")
    starts = pack.first_rows(games)
    sides = {
        next(split for split, (start, end) in index["rows"].items() if start <= starts[i] < end)
        for i, name in enumerate(games.names)
        if os.path.basename(name) in ("03.sgf", "21 longer.sgf")
    }
    assert len(sides) == 1


def test_adding_games_keeps_the_splits_of_others(collection, tmp_path):
    def splits(folder):
        games = Games.load(folder / "games.npz")
        rows = json.loads((folder / "index.json").read_text())["rows"]
        starts = pack.first_rows(games)
        return {
            name: next(split for split, (first, end) in rows.items() if first <= start < end)
            for name, start in zip(games.names, starts[:-1], strict=True)
        }

    pack.pack([str(collection)], tmp_path / "one", valid=0.3, test=0.3)
    for seed in range(40, 60):
        (collection / f"{seed}.sgf").write_bytes(record(walk(seed)))
    pack.pack([str(collection)], tmp_path / "two", valid=0.3, test=0.3)
    before, after = splits(tmp_path / "one"), splits(tmp_path / "two")
    assert {name: after[name] for name in before} == before


def test_an_interrupted_pack_continues_to_the_same_result(collection, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "BATCH", 2)
    expected = pack.pack([str(collection)], tmp_path / "whole")
    real, calls = pack.rows_of, []

    def dying(games, first, last, count):
        calls.append(first)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(games, first, last, count)

    monkeypatch.setattr(pack, "rows_of", dying)
    with pytest.raises(KeyboardInterrupt):
        pack.pack([str(collection)], tmp_path / "broken")
    assert not json.loads((tmp_path / "broken/index.json").read_text())["complete"]
    completed = np.load(tmp_path / "broken/done.npy")
    assert 0 < completed.sum() < len(completed)
    calls.clear()
    monkeypatch.setattr(pack, "rows_of", lambda *arguments: calls.append(arguments[1]) or real(*arguments))
    again = pack.pack([str(collection)], tmp_path / "broken")
    assert len(calls) == len(completed) - completed.sum(), "what was there was not computed again"
    assert again == expected
    assert (tmp_path / "broken/positions.npy").read_bytes() == (tmp_path / "whole/positions.npy").read_bytes()


def test_a_finished_pack_is_reused_and_a_different_one_is_refused(collection, tmp_path, monkeypatch):
    first = pack.pack([str(collection)], tmp_path / "out")
    monkeypatch.setattr(pack, "read_collection", None)
    assert pack.pack([str(collection)], tmp_path / "out") == first
    with pytest.raises(Problem, match="holds a pack of other games or with other splits; name another folder"):
        pack.pack([str(collection)], tmp_path / "out", valid=0.5)
    (collection / "deep").mkdir()
    (collection / "deep/99.sgf").write_bytes(record(walk(99)))
    with pytest.raises(Problem, match="or replace it with --force"):
        pack.pack([str(collection)], tmp_path / "out")


def test_a_damaged_index_is_an_error_and_lost_progress_is_recomputed(collection, tmp_path):
    complete = pack.pack([str(collection)], tmp_path / "out")
    pack.save_index(tmp_path / "out", complete | {"complete": False})
    assert pack.count_packed(tmp_path / "out", {**complete, "complete": False}) == 0
    assert pack.pack([str(collection)], tmp_path / "out") == complete
    (tmp_path / "out/index.json").write_text("{")
    with pytest.raises(Problem, match=r"index\.json is damaged .*; replace the pack with --force"):
        pack.pack([str(collection)], tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"games": {"train": 1}}, "games.valid is missing"),
        ({"positions": -1}, "positions is from 0 to 1e+12; got -1"),
        ({"rows": {"train": [0], "valid": [0, 0], "test": [0, 0]}}, "rows.train has 2 to 2 entries; got 1"),
        ({"bad": ["a"]}, "bad[0] is a table; got 'a'"),
        ({"complete": "yes"}, "complete is true or false; got 'yes'"),
    ],
)
def test_the_index_of_a_pack_is_checked_as_a_whole(changes, reason, collection, tmp_path):
    complete = pack.pack([str(collection)], tmp_path / "out")
    pack.save_index(tmp_path / "out", complete | changes)
    with pytest.raises(Problem) as error:
        neocog.domain("go").load(DataSpec(str(tmp_path / "out")), None, None)
    expected = f"{tmp_path / 'out/index.json'} is damaged ({reason}); replace the pack with --force"
    assert (str(error.value), error.value.code) == (expected, DATA)


def test_a_damaged_cache_of_a_collection_is_read_again(collection, tmp_path):
    cache = tmp_path / "cache"
    expected = read_cached([str(collection)], cache)
    (index,) = cache.rglob("collection.json")
    for damage in ("{", "[]", '{"digests": 5}', '{"digests": ["zz"], "openings": [], "bad": []}'):
        index.write_text(damage)
        assert read_cached([str(collection)], cache).digests == expected.digests
    (games,) = cache.rglob("games.npz")
    for content in (b"", games.read_bytes()[:-30], games.read_bytes()[:40] + bytes(40) + games.read_bytes()[80:]):
        games.write_bytes(content)
        assert read_cached([str(collection)], cache).digests == expected.digests


def test_a_folder_with_other_files_is_refused(collection, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(Problem, match="exists and holds other files; name another folder with --out"):
        pack.pack([str(collection)], tmp_path / "out")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Problem, match="is a file; name a folder with --out"):
        pack.pack([str(collection)], tmp_path / "file")


def test_a_full_disk_is_an_error_before_packing(collection, tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(pack.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(Problem, match=r"the disk is too small: [\d,]+ positions need 0\.0 GB .*, 0\.0 GB are free"):
        pack.pack([str(collection)], tmp_path / "out")


def test_packing_no_usable_record_is_an_error(tmp_path):
    (tmp_path / "a.sgf").write_bytes(record([0, 0]))
    with pytest.raises(Problem, match=r"none of 1 records can be packed, first: .*a\.sgf move 2, white A19"):
        pack.pack([str(tmp_path)], tmp_path / "out")


@pytest.mark.slow
def test_a_killed_pack_continues_to_the_same_result(shared, tmp_path):
    """The result equals that of an uninterrupted pack."""
    command = [sys.executable, "-m", "neocog", "go", "pack", str(shared / "go/test.sgf.zip"), "--out"]
    running = subprocess.Popen([*command, str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed/index.json").exists():
        time.sleep(0.1)
    time.sleep(1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    for name in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / name)], check=True, stderr=subprocess.DEVNULL)
    killed, expected = (np.load(tmp_path / name / "positions.npy", mmap_mode="r") for name in ("killed", "whole"))
    for start in range(0, len(expected), 9999):
        assert (killed[start : start + 9999] == expected[start : start + 9999]).all()


def test_computed_positions_equal_the_rows_of_the_pack(collection, tmp_path):
    """Planes packed on disk equal planes computed from the moves."""
    pack.pack([str(collection)], tmp_path / "out")
    rows = np.load(tmp_path / "out/positions.npy", mmap_mode="r")
    positions = Positions(Games.load(tmp_path / "out/games.npz"))
    assert len(positions) == len(rows) and (positions.moves == rows["move"]).all()
    indices = np.random.default_rng(0).permutation(len(rows))[:50]
    assert (positions.rows(indices) == rows["planes"][indices]).all()
    assert positions.rows([]).shape[0] == 0


@pytest.mark.parametrize("arguments", [["mine.py"], ["-m", "mine"]], ids=" ".join)
def test_a_script_that_reads_many_records_needs_no_main_guard(arguments, collection, tmp_path):
    """Worker processes do not run the script again."""
    script = tmp_path / "mine.py"
    script.write_text(
        "print('begins')\n"
        "from neocog.go import collection\n"
        "collection.MIN_PARALLEL = 4\n"
        f"print(len(collection.read_collection([{str(collection)!r}], 2).games))\n"
        "print(__file__)\n"
    )
    result = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["begins", str(len(read_collection([str(collection)]).games)), str(script)]
    assert not result.stderr


# --- planes for other programs -------------------------------------------------------------------------------------


def test_exported_planes_are_those_of_the_positions(collection, tmp_path):
    read = read_collection([str(collection)])
    summary, bad = export.export(read, export.PositionChoice.parse("every"), 19, tmp_path / "planes.npz")
    with np.load(tmp_path / "planes.npz") as file:
        arrays = {name: file[name] for name in file.files}
    count = sum(len(game) for game in (read.games[i] for i in range(15)))
    assert arrays["planes"].shape == (count, 48, 19, 19) and arrays["planes"].dtype == np.uint8
    assert summary["positions"] == count and summary["games"] == 15
    assert {os.path.basename(record.file): record.reason for record in bad}[
        "24 small.sgf"
    ] == "is on 9×9; --size 9 takes those"
    for i in range(0, count, 37):
        game, number = read.games[int(arrays["game"][i])], int(arrays["number"][i])
        assert arrays["move"][i] == game.moves[number] and arrays["names"][arrays["game"][i]] == game.name
        assert (arrays["planes"][i] == planes(game.position(number))).all()
    assert (arrays["move"] == -1).sum() == 2


@pytest.mark.parametrize(("text", "positions", "number"), [("last", 15, None), ("55", 14, 55), ("0", 15, 0)])
def test_positions_are_chosen_by_their_number(collection, tmp_path, text, positions, number):
    games = read_collection([str(collection)])
    summary, _ = export.export(games, export.PositionChoice.parse(text), 19, tmp_path / "planes.npz")
    with np.load(tmp_path / "planes.npz") as file:
        assert summary["positions"] == positions == len(file["planes"])
        assert number is None or (file["number"] == number).all()


def test_planes_of_small_boards_are_exported_with_size(collection, tmp_path):
    export.export(read_collection([str(collection)]), export.PositionChoice.parse("every"), 9, tmp_path / "planes.npz")
    with np.load(tmp_path / "planes.npz") as file:
        assert file["planes"].shape == (1, 48, 9, 9) and file["move"].tolist() == [40]


def test_exporting_nothing_is_an_error(collection, tmp_path):
    with pytest.raises(Problem, match="--moves is every, last or a number of moves; got some"):
        export.PositionChoice.parse("some")
    with pytest.raises(Problem, match=r"there is no position to write; \d+ records left out, first: "):
        export.export(
            read_collection([str(collection)]), export.PositionChoice.parse("every"), 13, tmp_path / "planes.npz"
        )


# --- check ---------------------------------------------------------------------------------------------------------


def test_check_reports_the_collection(collection):
    counts = report([str(collection)])
    assert list(counts)[:3] == ["games", "examples", "moves"]
    assert counts["games"] == 16 and counts["passes"] == 2 and counts["sizes"] == {"19×19": 15, "9×9": 1}
    assert counts["examples"] == 13 * 60 + 62 + 11 and counts["moves"] == counts["examples"] + 1
    assert counts["results"] == {"B+R": 12, "unknown": 3, "W+points": 1}
    assert counts["handicaps"] == {"0": 15, "2": 1} and counts["years"] == {"1846": 1, "2013": 12, "unknown": 3}
    assert counts["ranks"] == {"7d": 12, "6d": 12, "unknown": 8} and counts["out_of_turn"] == 0
    assert [os.path.basename(bad["file"]) for bad in counts["bad"]] == ["23 bad.sgf"]
    (group,) = counts["duplicates"]
    assert [os.path.basename(file) for file in group["files"]] == ["03.sgf", "20 turned.sgf", "21 longer.sgf"]
    assert group["same"] == "first 50 moves"
    assert counts["problems"] == ["1 of 17 records cannot be used, more than 5%: " + " ".join(
        (counts["bad"][0]["file"], counts["bad"][0]["reason"])
    )]  # fmt: skip
    assert counts["remarks"][0] == "1 games are not on 19×19; training leaves them out"
    json.dumps(counts)


def test_check_names_a_komi_that_cannot_be_used(tmp_path):
    for name, komi in (("a", "abc"), ("b", "375"), ("c", "6.5"), ("d", "1000")):
        (tmp_path / f"{name}.sgf").write_bytes(record(walk(ord(name)), f"KM[{komi}]"))
    (remark,) = report([str(tmp_path)])["remarks"]
    assert remark == f"1 game has a komi that cannot be used (first: {tmp_path}/a.sgf, 'abc' is not a number of points)"


def test_check_tells_first_what_is_asked_first(collection):
    keys = list(report([str(collection)]))
    assert keys[:3] == ["games", "examples", "moves"] and keys.index("labels") > keys.index("handicaps")


def test_the_domain_uses_check(collection):
    checked = neocog.domain("go").check(DataSpec(str(collection)))
    assert checked == report([str(collection)])
    with pytest.raises(Problem, match="of a game are always in one split; leave --group-by and --fold-by out") as error:
        neocog.domain("go").check(DataSpec(str(collection), group_by="x"))
    assert error.value.code == USAGE


def test_moves_out_of_turn_are_counted_within_games_only(tmp_path):
    (tmp_path / "a.sgf").write_bytes(b"(;SZ[9];B[aa];B[bb];W[cc])")
    (tmp_path / "b.sgf").write_bytes(b"(;SZ[9];W[aa];B[bb])")
    (tmp_path / "c.sgf").write_bytes(b"(;SZ[9])")
    assert report([str(tmp_path)])["out_of_turn"] == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("B+R", "B+R"), ("W+Resign", "W+R"), ("w+time", "W+T"), ("B+3.5", "B+points"), ("W+F", "W+F")),
        *(("0", "draw"), ("Jigo", "draw"), ("", "unknown"), ("Void", "unknown"), ("B+", "B+?")),
    ],
)
def test_results_are_parsed_into_winner_and_kind(text, kind):
    assert result_of(text) == kind


def test_a_year_is_found_in_a_date():
    assert [year_of(text) for text in ("2013-09-09", "Published 1846", "12345", "")] == [
        "2013",
        "1846",
        *["unknown"] * 2,
    ]


# --- the domain ----------------------------------------------------------------------------------------------------


def test_a_record_becomes_the_input_and_the_frontend_its_planes(collection):
    domain = neocog.domain("go")
    path = collection / "22 passes.sgf"
    row = domain.read(FileInput(str(path)), {})
    assert (domain.read(BytesInput(path.read_bytes()), {}) == row).all() and row.shape == (2166,)
    maps = domain.frontend({})(row[None])
    assert (maps[0].numpy() == unpacked(row.numpy())).all() and maps.shape == (1, 48, 19, 19)
    assert domain.show(row).size[0] > 300
    assert len(domain.expand_paths([str(collection)])) == 17


# --- names of points -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 9, 13, 19])
def test_every_point_has_a_name_and_is_found_by_it(size):
    for index in range(size * size):
        assert place(vertex(index, size), size) == index
    assert vertex(-1, size) == "pass" and place("Pass", size) == -1


def test_points_are_named_as_players_name_them():
    assert [vertex(index, 19) for index in (0, 18, 342, 360)] == ["A19", "T19", "A1", "T1"]
    assert place("d4", 19) == 15 * 19 + 3 and place("J1", 19) == 18 * 19 + 8


@pytest.mark.parametrize("name", ["I5", "A0", "A20", "", "U1", "5A", "AA"])
def test_invalid_point_names_are_refused(name):
    with pytest.raises(ValueError, match=r"is not a point of a board of 19×19"):
        place(name, 19)


def test_boards_have_their_star_points():
    names = {size: {vertex(index, size) for index in star_points(size)} for size in (19, 13, 9, 5)}
    assert names[19] == {"D4", "D10", "D16", "K4", "K10", "K16", "Q4", "Q10", "Q16"}
    assert names[13] == {"D4", "D10", "G7", "K4", "K10", "D7", "G4", "G10", "K7"} or names[13] >= {"D4", "G7", "K10"}
    assert names[9] == {"C3", "C7", "E5", "G3", "G7"} and names[5] == {"C3"}
