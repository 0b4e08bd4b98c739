"""SGF records: what is read, and the reasons why others are not."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from neocog.core.problem import Problem
from neocog.core.sources.content import Unreadable
from neocog.go import record_files as record_files_module
from neocog.go import sgf
from neocog.go.collection import read_collection
from neocog.go.data import expand_paths, read_game
from neocog.go.komi import UnusableKomi, komi_in_points
from neocog.go.record_files import record_files
from neocog.go.sgf import BadRecord
from sgfmill import sgf as sgfmill

GOOD = b"(;GM[1]FF[4]SZ[19]PB[Ann]PW[Bo]BR[7d]WR[6d]KM[6.5]RE[W+R]DT[2013-09-09];B[pd];W[dd];B[pq];W[dp])"


def why(content: bytes) -> str:
    """The reason why a file holds no usable record."""
    with pytest.raises(BadRecord) as problem:
        sgf.read(content)
    return str(problem.value)


def moves(content: bytes) -> list[int]:
    return sgf.read(content).moves.tolist()


# --- what is read --------------------------------------------------------------------------------------------------


def test_a_record_gives_its_moves_and_information():
    game = sgf.read(GOOD, "a.sgf")
    assert game.moves.tolist() == [3 * 19 + 15, 3 * 19 + 3, 16 * 19 + 15, 15 * 19 + 3]
    assert game.colours.tolist() == [1, 2, 1, 2] and game.size == 19 and game.name == "a.sgf"
    info = game.info
    assert (info.black, info.white, info.black_rank, info.white_rank) == (
        "Ann",
        "Bo",
        "7d",
        "6d",
    )
    assert (info.komi, info.result, info.date) == ("6.5", "W+R", "2013-09-09")


def test_the_moves_are_those_that_sgfmill_reads(shared):
    with zipfile.ZipFile(shared / "go/test.sgf.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".sgf")]
        for name in names[::50]:
            content = archive.read(name)
            nodes = [node.get_move() for node in sgfmill.Sgf_game.from_bytes(content).get_main_sequence()]
            expected = [(colour, move) for colour, move in nodes if colour]
            game = sgf.read(content)
            assert game.colours.tolist() == [1 if colour == "b" else 2 for colour, _ in expected]
            assert game.moves.tolist() == [-1 if m is None else (18 - m[0]) * 19 + m[1] for _, m in expected]


def test_the_counts_of_the_test_set_are_the_published_ones(shared):
    collection = read_collection([str(shared / "go/test.sgf.zip")])
    assert len(collection.games) == 1000 and collection.bad == []
    assert len(collection.games.moves) == 201_118 and (collection.games.moves < 0).sum() == 28


def test_both_ways_to_write_a_pass_are_read():
    assert moves(b"(;SZ[19];B[];W[tt];B[aa])") == [-1, -1, 0]
    assert moves(b"(;SZ[9];B[tt];W[ii])") == [-1, 80]


def test_a_record_without_a_size_is_on_19x19():
    assert sgf.read(b"(;GM[1];B[ss])").size == 19


def test_the_first_variation_is_read():
    assert moves(b"(;SZ[9];B[aa](;W[bb](;B[cc])(;B[dd]))(;W[ee];B[ff]))") == [0, 10, 20]


def test_deep_variations_are_read():
    depth = 5000
    content = b"(;SZ[9]" + b"(;B[];W[]" * depth + b")(;B[aa])" * 1 + b")" * depth
    assert len(moves(content)) == 2 * depth


def test_handicap_stones_are_set_up_and_white_begins():
    game = sgf.read(b"(;SZ[9]HA[2]AB[cc][gg];W[ee])")
    assert game.stones.tolist() == [20, 60] and game.stone_colours.tolist() == [1, 1]
    assert sgf.read(b"(;SZ[9]HA[2]AB[cc][gg])").to_move(0) == 2


def test_stones_may_be_set_up_in_rectangles_removed_and_after_the_root():
    game = sgf.read(b"(;SZ[5];AB[aa:ba]AW[ee];AE[ba]PL[W])")
    assert game.stones.tolist() == [0, 24] and game.stone_colours.tolist() == [1, 2]


def test_pl_may_stand_in_any_node_before_the_first_move():
    game = sgf.read(b"(;GM[1]FF[4]SZ[19];AB[ab][bb][cb]AW[ac][bc][cc]PL[W]C[White to play])")
    assert game.first == 2 and game.to_move(0) == 2
    assert sgf.read(b"(;SZ[9]PL[W];;PL[B])").first == 1 and sgf.read(b"(;SZ[9];B[aa];PL[B])").to_move(1) == 2


def test_a_stone_may_be_set_up_twice_at_one_point():
    game = sgf.read(b"(;SZ[9]AB[cc][gg][cc];AB[gg];W[ee])")
    assert game.stones.tolist() == [20, 60] and game.stone_colours.tolist() == [1, 1]


@pytest.mark.parametrize("size", [b"19:19", b" 19 : 19 ", b"19"])
def test_a_square_board_may_name_both_sides(size):
    game = sgf.read(b"(;GM[1]FF[4]SZ[" + size + b"];B[pd];W[dd];B[pp];W[dp];B[qf];W[nc])")
    assert game.size == 19 and len(game) == 6


def test_pl_sets_the_colour_to_move():
    assert sgf.read(b"(;SZ[9]PL[W])").first == 2 and sgf.read(b"(;SZ[9]AB[aa]PL[B])").first == 1


def test_moves_out_of_turn_are_read_as_they_stand():
    game = sgf.read(b"(;SZ[9];B[aa];B[bb];W[cc])")
    assert game.colours.tolist() == [1, 1, 2] and game.out_of_turn == 1 and game.to_move(1) == 1


def test_a_ko_may_be_filled_by_the_colour_that_took_it():
    """Black captures and moves again, out of turn: the ko does not apply to it."""
    setup = b"(;SZ[5]AB[ba][ab][bc]AW[ca][bb][db][cc];B[cb];B[bb])"
    assert len(sgf.read(setup)) == 2


@pytest.mark.parametrize(
    ("name", "encoding", "declared"),
    [
        *(("谢尔豪", "gb2312", b""), ("谢尔豪", "gb2312", b"CA[GB2312]"), ("谢尔豪", "gb2312", b"CA[UTF-8]")),
        *(("Müller", "latin-1", b""), ("Müller", "utf-8", b""), ("é", "utf-8", b"CA[?]")),
        ("이창호", "euc-kr", b"CA[EUC-KR]"),
        *(("王喆", "gbk", b"CA[gb2312]"), ("李镕", "gbk", b"CA[gb2312]"), ("王喆", "gbk", b""), ("李镕", "gbk", b"")),
        *(("André", "latin-1", b""), ("Müß", "latin-1", b""), ("Ñuñez", "latin-1", b"CA[gb2312]")),
        *(("表示", "shift_jis", b"CA[Shift_JIS]"), ("表", "shift_jis", b"CA[Shift_JIS]"), ("表", "shift_jis", b"")),
        *(
            ("ゾロ", "shift_jis", b"CA[SHIFT-JIS]"),
            ("ソ", "shift_jis", b"CA[sjis]"),
            ("註", "gbk", b"CA[gb2312]"),
            ("碶", "gbk", b"CA[GBK]"),
        ),
        *(("許功蓋", "big5", b"CA[Big5]"), ("張栩", "iso2022_jp", b"CA[ISO-2022-JP]"), ("表", "utf-8", b"")),
    ],
)
def test_names_are_read_in_the_usual_encodings(name, encoding, declared):
    """Also where the second byte of a character is that of a backslash or a bracket."""
    encoded = name.encode(encoding)
    game = sgf.read(b"(;" + declared + b"PB[" + encoded + b"]PW[" + encoded + b"];B[aa];W[bb])")
    assert (game.info.black, game.info.white, len(game)) == (name, name, 2)


def test_a_program_may_escape_the_bytes_of_a_character():
    """The backslash in 表 (95 5C) is escaped with another one."""
    game = sgf.read(b"(;CA[Shift_JIS]PB[\x95\x5c\x5c]PW[\x83\x5c\x5c\x95\x5c\x5c];B[aa])")
    assert (game.info.black, game.info.white) == ("表", "ソ表")


def test_a_declared_encoding_that_is_not_used_costs_no_names():
    """In GBK the last letter of André would swallow the bracket behind it."""
    game = sgf.read(b"(;CA[gb2312]PB[" + "André".encode("latin-1") + b"]PW[Bo];B[aa])")
    assert (game.info.black, game.info.white, len(game)) == ("André", "Bo", 1)


def test_a_collection_in_several_encodings_keeps_its_names():
    parts = (("表示", "shift_jis", b"Shift_JIS"), ("李镕", "gbk", b"gb2312"), ("Ann", "ascii", b"UTF-8"))
    content = b"".join(b"(;GM[1]CA[%s]PB[%s];B[aa])" % (ca, name.encode(codec)) for name, codec, ca in parts)
    games = [game for _, game in sgf.records(content, "x")]
    assert games[2].info.black == "Ann" and games[1].info.black == "李镕" and len(games) == 3


@pytest.mark.parametrize(
    ("root", "komi"),
    [
        *((b"AP[foxwq]KM[375]", 7.5), (b"AP[foxwq]KM[650]", 6.5), (b"AP[foxwq]KM[50]", 0.5), (b"AP[foxwq]KM[0]", 0)),
        *((b"AP[foxwq]KM[6.5]", 6.5), (b"AP[foxwq]KM[7]", 7), (b"KM[375]", 7.5), (b"KM[650]", 6.5), (b"KM[50]", 50)),
        *((b"KM[3.75]", 7.5), (b"KM[2.75]", 5.5), (b"KM[6.50]", 6.5), (b"KM[6,5]", 6.5), (b"KM[-5.5]", -5.5)),
        *((b"KM[]", None), (b"", None)),
    ],
)
def test_the_komi_is_in_points(root, komi):
    """Fox writes hundredths; a quarter counts stones (Chinese rules), which are two points."""
    assert komi_in_points(sgf.read(b"(;" + root + b";B[aa])").info, 19) == komi


@pytest.mark.parametrize(
    ("komi", "sentence"),
    [
        (b"abc", "'abc' is not a number of points"),
        (b"nan", "'nan' is not a number of points"),
        (b"1e9", "'1e9' is not a number of points"),
        (b"362", "'362' is more than the 361 points of the board"),
    ],
)
def test_a_komi_that_cannot_be_used_has_a_reason(komi, sentence):
    info = sgf.read(b"(;KM[" + komi + b"];B[aa])").info
    with pytest.raises(UnusableKomi) as problem:
        komi_in_points(info, 19)
    assert str(problem.value) == sentence and info.komi == komi.decode()


def test_escapes_in_names_are_read():
    assert sgf.read(rb"(;PB[a\]b\\c];B[aa])").info.black == "a]b\\c"


def test_a_collection_gives_every_game_and_skips_the_bad_ones():
    content = GOOD + b"\n\n(;GM[1]SZ[19];B[zz])\n" + GOOD + b"(;GM[1];B[aa];W[bb"
    records = list(sgf.records(content, "all.sgf"))
    assert [name for name, _ in records] == ["all.sgf#1", "all.sgf#2", "all.sgf#3", "all.sgf#4"]
    assert [isinstance(record, BadRecord) for _, record in records] == [False, True, False, True]


def test_the_record_after_a_truncated_one_is_read():
    records = list(sgf.records(b"(;GM[1]SZ[19];B[aa];W[bb]\n" + GOOD, "all.sgf"))
    assert str(records[0][1]) == "is cut off or is not SGF" and len(records[1][1]) == 4


# --- bad records ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"(;SZ[19];B[aa];W[aa])", "move 2, white A19: the point is occupied"),
        (b"(;SZ[5]AW[ba][ab];B[aa])", "move 1, black A5: it would be suicide"),
        (b"(;SZ[5]AB[ba][ab][bc]AW[ca][bb][db][cc];B[cb];W[bb])", "move 2, white B4: the ko forbids it"),
        (b"(;SZ[21];B[aa])", "has a board of 21×21; expected a square one up to 19×19"),
        (b"(;SZ[19:13];B[aa])", "has a board of 19×13; expected a square one up to 19×19"),
        (b"(;SZ[x];B[aa])", "has a board of x×x; expected a square one up to 19×19"),
        (b"(;SZ[9];B[aa];W[jj])", "move 2, W[jj]: not a point of a board of 9×9"),
        (b"(;B[aa]W[bb])", "move 1: two moves in one node, in unknown order"),
        (b"(;B[cc];W[aa][bb])", "move 2: two moves in one node, in unknown order"),
        (b"(;B[aa];AB[bb];W[cc])", "sets up stones in the middle of the game, after move 1"),
        (b"(;AB[aa]AW[aa];B[cc])", "sets up two stones at one point, AW[aa]"),
        (b"(;SZ[9]AB[zz];B[cc])", "sets up a stone at AB[zz], which is not a point of a board of 9×9"),
        (b"(;SZ[3]AB[ba][ab]AW[aa];B[cc])", "a stone set up at white A3 is on an occupied point or has no liberty"),
        (b"(;GM[2];B[aa])", "is not a game of Go (GM[2])"),
        (b"(;B[aa];W[bb]", "is cut off or is not SGF"),
        (b"(;[aa])", "is invalid SGF: a value without a property"),
        (b"", "is empty"),
        (b"<!DOCTYPE html><script>for(;;){}</script>", "is a web page, not a game record: download the record itself"),
        (b"hello", "holds no game record, which would begin with (;"),
        (b"\x00\xff\xd8\xff", "holds no game record, which would begin with (;"),
    ],
)
def test_bad_records_have_a_reason(content, sentence):
    assert why(content) == sentence


def test_five_million_nodes_are_refused_without_taking_the_memory():
    content = b"(;GM[1]SZ[19]" + b";B[]" * 5_000_000 + b")"
    assert why(content) == "holds more than 100,000 nodes"
    records = list(sgf.records(content + GOOD, "x"))
    assert len(records) == 2 and len(records[1][1]) == 4


def test_a_record_of_many_megabytes_is_refused_and_one_of_two_is_read():
    """Saved analysis makes records long, with few nodes."""
    content = b"(;GM[1]SZ[9]LZ[" + b"x" * (2 << 20) + b"];B[aa])"
    assert moves(content) == [0]
    assert why(content.replace(b"x", b"xyz")) == "is longer than 4 MB"


# --- files, folders, archives --------------------------------------------------------------------------------------


def test_a_bad_file_does_not_affect_others(tmp_path):
    for name, content in (("a", GOOD), ("b", b"<html>"), ("c", GOOD.replace(b"dd", b"pd")), ("d", GOOD)):
        (tmp_path / f"{name}.sgf").write_bytes(content)
    collection = read_collection([str(tmp_path)])
    assert [name.rsplit("/", 1)[1] for name in collection.games.names] == ["a.sgf", "d.sgf"]
    assert [(bad.file.rsplit("/", 1)[1], bad.reason) for bad in collection.bad] == [
        ("b.sgf", "is a web page, not a game record: download the record itself"),
        ("c.sgf", "move 2, white Q16: the point is occupied"),
    ]


def made_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return str(path)


def test_a_bomb_in_a_zip_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = made_zip(tmp_path / "bomb.zip", [("good.sgf", GOOD), ("bomb.sgf", bytes(3 << 20))])
    monkeypatch.setattr(record_files_module, "LARGEST_FILE", 2 << 20)
    contents = dict(record_files([path]))
    assert contents[f"{path}!good.sgf"] == GOOD
    assert isinstance(contents[f"{path}!bomb.sgf"], Unreadable)
    assert str(contents[f"{path}!bomb.sgf"]) == "has 3 MB; a file may have 2 MB"


def test_a_name_that_leads_out_of_its_archive_is_refused(tmp_path):
    path = made_zip(tmp_path / "a.zip", [("../out.sgf", GOOD), ("/abs.sgf", GOOD), ("in/a.sgf", GOOD), ("b.txt", b"")])
    collection = read_collection([path])
    assert collection.games.names == [f"{path}!in/a.sgf"]
    assert [bad.reason for bad in collection.bad] == ["has a name that leads out of its archive"] * 2
    assert not (tmp_path.parent / "out.sgf").exists()


def test_a_tar_is_read_and_its_links_are_not_followed(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("a.sgf")
        info.size = len(GOOD)
        archive.addfile(info, io.BytesIO(GOOD))
        link = tarfile.TarInfo("b.sgf")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert read_collection([str(path)]).games.names == [f"{path}!a.sgf"]


def test_one_record_of_an_archive_can_be_named(tmp_path):
    path = made_zip(tmp_path / "a.zip", [("x/1.sgf", GOOD), ("x/2.sgf", GOOD)])
    assert [name for name, _ in record_files([f"{path}!x/2.sgf"])] == [f"{path}!x/2.sgf"]


def test_a_damaged_archive_is_an_error(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(Problem, match=r"a\.zip is damaged or breaks off after 0 files"):
        read_collection([str(path)])


def test_an_argument_without_records_is_an_error(tmp_path):
    (tmp_path / "readme.txt").write_text("no games")
    with pytest.raises(Problem, match=r"holds no game records; expected SGF files, a folder or an archive of them"):
        read_collection([str(tmp_path)])
    with pytest.raises(Problem, match="does not exist"):
        read_collection([str(tmp_path / "gone.sgf")])


def test_a_record_of_an_archive_is_an_input_and_an_archive_is_none(tmp_path):
    path = made_zip(tmp_path / "a.zip", [("x/1.sgf", GOOD), ("x/2.sgf", GOOD)])
    (value,) = expand_paths([f"{path}!x/2.sgf"])
    assert value.name == f"{path}!x/2.sgf" and len(read_game(value)) == len(sgf.read(GOOD))
    with pytest.raises(Problem, match=r"a\.zip is an archive of records; name one of them, as in '.*a\.zip!x/1\.sgf'"):
        expand_paths([str(path)])
    with pytest.raises(Problem, match=r"a\.zip!x/3\.sgf holds no game records"):
        expand_paths([f"{path}!x/3.sgf"])


def test_a_folder_of_archives_names_them(tmp_path):
    for name in ("train.sgf.zip", "test.sgf.zip", "notes.txt"):
        (tmp_path / name).touch()
    hint = r"; it holds 2 archives \(test\.sgf\.zip, train\.sgf\.zip\): name one as the data, "
    with pytest.raises(Problem, match=f"{hint}{tmp_path}/train.sgf.zip --test {tmp_path}/test.sgf.zip$"):
        read_collection([str(tmp_path)])


def test_several_processes_give_the_same_collection(tmp_path):
    path = made_zip(tmp_path / "a.zip", [(f"{i}.sgf", GOOD if i % 7 else b"(;B[aa];W[aa])") for i in range(500)])
    sequential, parallel = read_collection([path]), read_collection([path], workers=2)
    assert sequential.games.names == parallel.games.names and (sequential.games.moves == parallel.games.moves).all()
    assert sequential.bad == parallel.bad and sequential.digests == parallel.digests and len(sequential.bad) == 72
    assert np.unique(sequential.openings).size == 1
