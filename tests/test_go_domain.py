"""The Go domain: frontend, symmetries in training and prediction, legal moves, splits and names."""

import json
import sys
import zipfile

import neocog
import numpy as np
import pytest
import torch
from drawn_go import board
from neocog import cli
from neocog.core.checkpoint import Card, save
from neocog.core.data import DataSpec
from neocog.core.initialize import initialize
from neocog.core.inputs import BytesInput, FileInput
from neocog.core.model import SMALL, Model, load
from neocog.core.network import Network, parse
from neocog.core.plan import Plan, find_recipe
from neocog.core.problem import DATA, USAGE, Problem
from neocog.go import data, pack
from neocog.go.augment import augment, symmetries, views
from neocog.go.coords import place, vertex
from neocog.go.data import LABELS, read
from neocog.go.domain import DOMAIN
from neocog.go.frontend import Frontend, LegalMask, Unpack, legal_mask, planes_option
from neocog.go.metrics import metrics
from neocog.go.planes import packed, planes, unpacked
from neocog.go.symmetry import moved, turned

KO = """
. . . . . . .
. . . X O . .
. . X O . O .
. . . X O . .
. . . . . . .
"""
TINY = "conv(4, 3, pad=1), relu, conv(1, 1, bias=False), bias, flatten"
RECORD = b"(;SZ[19];B[pd];W[dp];B[pp];W[dd];B[fq])"


@pytest.fixture
def rows():
    """Packed planes of some positions, uint8 (3, 2166)."""
    boards = [board(KO, 19), board("X . O\nO . .\n. . X", 19), board(". X .", 19, black="O")]
    return torch.from_numpy(np.stack([packed(game.position) for game in boards]))


def model(**settings):
    """A network of random weights."""
    network = Network((48, 19, 19), parse(TINY))
    module = network.module()
    initialize(module, 0)
    card = Card("go", TINY, (48, 19, 19), LABELS, {"planes": "all"}, settings={"augment": "symmetries"})
    return Model(DOMAIN, card, module.state_dict(), "cpu", **settings)


def game(number: int, moves: int = 60) -> bytes:
    """A record of moves that never touch, different for each number."""
    apart = [row * 19 + column for row in range(0, 19, 2) for column in range(0, 19, 2)]
    places = np.random.default_rng(number).permutation(apart)[:moves].tolist()
    points = [vertex_in_sgf(place) for place in places]
    return ("(;SZ[19]" + "".join(f";{'BW'[i % 2]}[{point}]" for i, point in enumerate(points)) + ")").encode()


def vertex_in_sgf(place: int) -> str:
    letters = "abcdefghijklmnopqrs"
    return letters[place % 19] + letters[place // 19]


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "games.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(40):
            file.writestr(f"{'kgs' if number % 2 else 'fox'}/{number}.sgf", game(number))
    return path


# --- frontend and recipes ------------------------------------------------------------------------------------------


def test_the_frontend_unpacks_the_planes(rows):
    maps = Frontend("all")(rows)
    assert maps.shape == (3, 48, 19, 19) and maps.dtype == torch.float32
    assert np.array_equal(maps[0].numpy(), planes(board(KO, 19).position))


def test_stones_and_matrix_are_the_lectures_inputs(rows):
    stones, matrix = Frontend("stones")(rows), Frontend("matrix")(rows)
    assert torch.equal(stones, Frontend("all")(rows)[:, :3])
    assert torch.equal(matrix[:, 0], stones[:, 0] - stones[:, 1]) and set(matrix.unique().tolist()) == {-1, 0, 1}


def test_a_recipe_sets_the_planes_option():
    with pytest.raises(Problem, match=r"planes is all, stones, matrix \(did you mean stones\?\); got stone"):
        planes_option({"planes": "stone"})
    plan = Plan.of(DOMAIN, DataSpec("games"), "alphago-raw")
    assert plan.source.options == {"planes": "stones"}


@pytest.mark.parametrize(
    ("recipe", "parameters"),
    [
        ("alphago", 3_882_793),  # 192 · (48 · 25 + 1) + 11 · 192 · (192 · 9 + 1) + 192 + 361
        ("alphago(filters=256)", 256 * (48 * 25 + 1) + 11 * 256 * (256 * 9 + 1) + 256 + 361),
        ("alphago(filters=128, depth=2)", 128 * (48 * 25 + 1) + 128 * (128 * 9 + 1) + 128 + 361),
    ],
)
def test_alphago_has_the_parameters_of_the_paper(recipe, parameters):
    chosen, _, numbers = find_recipe(DOMAIN, recipe)
    network = Network(chosen.input, chosen.layers(361, **numbers))
    assert network.parameters == parameters
    assert network.to_dict()["layers"][1]["output"] == [numbers.get("filters", 192), 19, 19]


def test_no_recipe_pools_the_board():
    for name, recipe in DOMAIN.recipes.items():
        shapes = [row["output"] for row in Network(recipe.input, recipe.layers(361)).to_dict()["layers"]]
        assert name == "fully-connected" or all(shape[1:] == [19, 19] for shape in shapes if len(shape) == 3)


@pytest.mark.parametrize(
    "module",
    [Frontend("all"), Frontend("stones"), Frontend("matrix"), LegalMask()],
    ids=["all", "stones", "matrix", "legal"],
)
def test_packed_planes_export_with_a_free_batch_size(module, rows):
    """One exported graph gives the module's numbers at batch sizes 1, 2 and 5."""
    batch = torch.export.Dim("batch")
    exported = torch.export.export(module, (rows,), dynamic_shapes=({0: batch},)).module()
    for size in (1, 2, 5):
        inputs = rows.repeat(2, 1)[:size]
        assert torch.equal(exported(inputs), module(inputs))


def test_bits_are_read_from_the_highest():
    rows = torch.randint(0, 256, (4, 2166), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(Frontend("all")(rows).numpy(), unpacked(rows.numpy()))
    assert np.array_equal(Unpack(slice(20, 28))(rows).numpy(), unpacked(rows.numpy())[:, 20:28])
    assert np.array_equal(unpacked(rows.numpy(), 19, slice(46, 47)), unpacked(rows.numpy())[:, 46:47])


# --- legal moves ---------------------------------------------------------------------------------------------------


def test_the_legal_mask_matches_the_board(rows):
    games = [board(KO, 19), board("X . O\nO . .\n. . X", 19), board(". X .", 19, black="O")]
    for row, game in zip(legal_mask(LABELS)(rows), games, strict=True):
        assert row.tolist() == [game.legal(place) for place in range(361)]


def test_the_legal_mask_follows_the_order_of_the_labels(rows):
    """For a model whose labels have another order."""
    order = torch.randperm(361, generator=torch.Generator().manual_seed(0)).tolist()
    assert torch.equal(legal_mask([LABELS[i] for i in order])(rows), LegalMask()(rows)[:, order])


def test_a_label_that_is_not_a_point_is_refused():
    with pytest.raises(Problem) as problem:
        legal_mask([*LABELS[:-1], "Z99"])
    assert str(problem.value) == (
        "the model's labels are not the points of a board: Z99 is not a point of a board of 19×19; train it again"
    )


def test_no_prediction_is_illegal(rows):
    with torch.inference_mode():
        shares = model().logits(rows).softmax(1)
    assert (shares[~LegalMask()(rows)] == 0).all() and torch.allclose(shares.sum(1), torch.ones(3))


def test_a_position_without_a_legal_move_is_refused(tmp_path):
    """White stones everywhere except at two points, which are suicide for Black."""
    stones = "".join(f"[{vertex_in_sgf(place)}]" for place in range(361) if place not in (20, 340))
    (tmp_path / "full.sgf").write_text(f"(;SZ[19]PL[B]AW{stones})")
    with pytest.raises(Problem, match=r"full.sgf: no move is legal in that position") as problem:
        read(FileInput(str(tmp_path / "full.sgf")), {})
    assert problem.value.code == DATA


# --- the symmetries ------------------------------------------------------------------------------------------------


def test_augmentation_applies_the_same_symmetry_to_positions_and_moves(rows):
    maps, targets = Frontend("all")(rows), torch.tensor([5, 100, 360])
    many, moves = maps.repeat(20, 1, 1, 1), targets.repeat(20)
    changed, answers = symmetries(many, moves, torch.Generator().manual_seed(0))
    symmetries_drawn = set()
    for i in range(60):
        fits = [
            s
            for s in range(8)
            if np.array_equal(changed[i].numpy(), turned(many[i].numpy(), s))
            and moved(int(moves[i]), s) == int(answers[i])
        ]
        assert len(fits) == 1
        symmetries_drawn.update(fits)
    assert symmetries_drawn == set(range(8))


def test_the_inverse_of_a_view_undoes_it():
    boards = torch.arange(361.0).reshape(1, 1, 19, 19)
    for s, view in enumerate(views("symmetries")):
        assert np.array_equal(view.transform(boards)[0, 0].numpy(), turned(boards[0, 0].numpy(), s))
        assert torch.equal(view.inverse(view.transform(boards).flatten(1)), boards.flatten(1))


def test_predictions_over_all_symmetries_are_equivariant(rows):
    """A single view is not equivariant; the mean over eight is: a turned board has turned predictions."""
    averaged = model(symmetries=8)
    maps = averaged.module.frontend(rows)
    with torch.inference_mode():
        scores = torch.stack(
            [v.inverse(averaged.module.network(v.transform(maps))) for v in averaged.module.views]
        ).mean(0)
        turned_scores = torch.stack(
            [
                v.inverse(averaged.module.network(v.transform(torch.rot90(maps, 1, (-2, -1)))))
                for v in averaged.module.views
            ]
        ).mean(0)
        single = model().module.network(maps)
    boards = [values.unflatten(1, (19, 19)) for values in (scores, turned_scores)]
    assert torch.allclose(torch.rot90(boards[0], 1, (-2, -1)), boards[1], atol=1e-5)
    assert not torch.allclose(single, scores, atol=1e-3)


def test_batched_views_give_the_same_predictions_as_single_views(rows):
    averaged = model(symmetries=8)
    few, many = rows, rows.repeat(SMALL // len(rows) + 1, 1)
    with averaged.inference():
        assert len(few) * 8 <= SMALL < len(many) * 8
        torch.testing.assert_close(averaged.logits(few), averaged.logits(many)[: len(few)], rtol=1e-5, atol=1e-5)


def test_the_number_of_symmetries_is_checked():
    with pytest.raises(Problem, match=r"--symmetries is from 1 to 8 for this model, .*; got 9") as problem:
        model(symmetries=9)
    assert problem.value.code == USAGE and len(model().module.views) == 1


def test_other_augmentations_are_refused():
    with pytest.raises(Problem, match=r"symmetrys is not a known augmentation .did you mean symmetries"):
        augment("symmetrys", {})


# --- splits --------------------------------------------------------------------------------------------------------


def test_all_positions_of_a_game_are_in_one_split(records):
    loaded = data.load(DataSpec(str(records), test_share=0.3), None, None)
    assert sum(loaded.counts.values()) == 40 * 60 and all(loaded.counts.values())
    games = [{name.partition(", move ")[0] for name in map(str, part.names)} for part in loaded.splits.values()]
    assert sum(map(len, games)) == len(set.union(*games)) == 40


def test_shares_are_respected_and_the_seed_changes_the_split(records):
    first, second = (
        data.load(DataSpec(str(records), test_share=0.5, valid_share=0, split=split), None, None) for split in (0, 1)
    )
    assert first.counts["valid"] == second.counts["valid"] == 0
    assert 0.25 < first.counts["test"] / (40 * 60) < 0.75
    assert set(map(str, first.test.names)) != set(map(str, second.test.names))


def test_positions_and_moves_are_those_of_the_records(records):
    part = data.load(DataSpec(str(records)), None, None).train
    for i in (0, 17, len(part) - 1):
        name, _, move = part.names[i].partition(", move ")
        with zipfile.ZipFile(records) as file:
            content = file.read(name.partition("!")[2])
        assert torch.equal(read(BytesInput(content, options={"move": int(move)}), {}), part.inputs[i])
        played = data.read_game(BytesInput(content)).moves[int(move) - 1]
        assert LABELS[int(part.targets[i])] == vertex(int(played), 19)


def test_games_are_read_once(records, monkeypatch):
    first = data.load(DataSpec(str(records)), None, None)
    monkeypatch.setattr("neocog.go.collection_cache.read_collection", None)
    assert data.load(DataSpec(str(records)), None, None).fingerprint() == first.fingerprint()


def test_a_pack_keeps_its_splits(records, tmp_path):
    index = pack.pack([str(records)], tmp_path / "packed", 0.2, 0.2)
    loaded = data.load(DataSpec(str(tmp_path / "packed")), None, None)
    assert loaded.counts == {name: end - start for name, (start, end) in index["rows"].items()}
    assert loaded.given_splits == {"test", "valid"}
    for options, flag in (
        ({"test": str(records)}, "--test"),
        ({"valid_share": 0.1}, "--valid-share"),
        ({"split": 1}, "--split"),
    ):
        with pytest.raises(Problem, match=f"is a pack, which is already split; leave {flag} out"):
            data.load(DataSpec(str(tmp_path / "packed"), **options), None, None)


def test_a_training_game_that_is_in_the_test_set_is_left_out(records, tmp_path):
    (tmp_path / "test.sgf").write_bytes(game(3))
    loaded = data.load(DataSpec(str(records), test=str(tmp_path / "test.sgf")), None, None)
    assert loaded.counts["test"] == 60 and loaded.given_splits == {"test"}
    assert loaded.counts["train"] + loaded.counts["valid"] == 39 * 60
    assert loaded.remarks == ["left out of training, as they are also among the test data: 1 games"]


def test_unusable_records_are_counted_and_too_many_are_an_error(records, tmp_path):
    with zipfile.ZipFile(records, "a") as file:
        file.writestr("small.sgf", "(;SZ[9];B[cc])")
        file.writestr("broken.sgf", "no game")
    loaded = data.load(DataSpec(str(records), max_bad=0.1), None, None)
    assert [bad.file.partition("!")[2] for bad in loaded.bad] == ["broken.sgf", "small.sgf"]
    with pytest.raises(
        Problem, match=r"1 of 42 records cannot be used, more than --max-bad 1%: .*broken.sgf"
    ) as problem:
        data.load(DataSpec(str(records), max_bad=0.01), None, None)
    assert problem.value.code == DATA
    (tmp_path / "nine.sgf").write_text("(;SZ[9];B[cc])")
    with pytest.raises(Problem, match=r"holds no game on 19×19 to learn from \(.*is on 9×9"):
        data.load(DataSpec(str(tmp_path / "nine.sgf")), None, None)


def test_group_by_is_refused(records):
    with pytest.raises(Problem, match="of a game are always in one split; leave --group-by and --fold-by out"):
        data.load(DataSpec(str(records), group_by="player"), None, None)


def test_accuracy_by_phase_and_folder():
    names = [f"g.zip!{folder}/1.sgf, move {move}" for folder in ("kgs", "fox") for move in (1, 50, 51, 300)]
    shares = np.eye(8, 361)
    shares[3] = np.eye(361)[200]
    groups = metrics(shares, np.arange(8), names)["groups"]
    assert [(row["group"], row["examples"], row["accuracy"]) for row in groups["phase"]] == [
        ("moves 1 to 50", 4, 1.0),
        ("moves 51 to 100", 2, 1.0),
        ("moves 201 on", 2, 0.5),
    ]
    assert [(row["group"], row["accuracy"]) for row in groups["folder"]] == [("fox", 1.0), ("kgs", 0.75)]


# --- one position --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "move", "message"),
    [
        (RECORD, 7, r"the record has 5 moves; --move is from 1 to 6, got 7"),
        (RECORD, 0, r"--move is from 1 to 6, got 0"),
        (b"(;SZ[13];B[cc])", None, "the record is on 13×13; the network takes 19×19"),
        (b"hello", None, "the record .*"),
    ],
)
def test_a_missing_position_is_an_error(record, move, message):
    with pytest.raises(Problem, match=message):
        read(BytesInput(record, options={"move": move}), {})


def test_a_record_without_moves_is_its_first_position():
    assert torch.equal(read(BytesInput(b"(;SZ[19])"), {}), torch.from_numpy(packed(board(".", 19).position)))


def test_the_move_option_selects_the_move_to_predict():
    before, after = read(BytesInput(RECORD, options={"move": 5}), {}), read(BytesInput(RECORD), {})
    fq = place("F3", 19)
    assert LegalMask()(before[None])[0, fq] and not LegalMask()(after[None])[0, fq]


# --- the command line ----------------------------------------------------------------------------------------------


def run(monkeypatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["neocog", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_from_records_to_a_move(records, tmp_path, monkeypatch, capsys):
    out = str(tmp_path / "run")
    words = ("--epochs", "2", "--set", "examples=100", "--set", "checked=50", "--out", out, "--json", "--quiet")
    assert run(monkeypatch, "train", "go", str(records), "--network", TINY, "--augment", "symmetries", *words) == 0
    summary = json.loads(capsys.readouterr().out)
    assert {row["group"] for row in summary["groups"]["folder"]} == {"fox", "kgs"}
    assert run(monkeypatch, "evaluate", out, str(records), "--symmetries", "8", "--json", "--quiet") == 0
    assert json.loads(capsys.readouterr().out)["examples"] == summary["examples"]
    (tmp_path / "a.sgf").write_bytes(RECORD)
    assert run(monkeypatch, "predict", out, str(tmp_path / "a.sgf"), "--move", "3", "--top", "5", "--json") == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert len(answer["predictions"]) == 5 and answer["predictions"][0]["label"] in LABELS
    assert run(monkeypatch, "predict", out, str(tmp_path / "a.sgf"), "--move", "9") == DATA
    assert "a.sgf has 5 moves; --move is from 1 to 6, got 9" in capsys.readouterr().err


def test_move_is_refused_for_other_domains(tmp_path, monkeypatch, capsys):
    network = "globalmax, dense(2)"
    module = Network((1, 8, 8), parse(network)).module()
    preprocessing = {"size": [8, 8], "colour": "grey", "fit": "crop", "mean": [0.5], "std": [0.5]}
    path = tmp_path / "model.safetensors"
    save(path, module.state_dict(), Card("vision", network, (1, 8, 8), ["a", "b"], preprocessing))
    assert load(path, neocog.domain("vision"), "cpu").labels == ["a", "b"]
    assert run(monkeypatch, "predict", str(path), "a.png", "--move", "3") == USAGE
    assert "--move is not for vision" in capsys.readouterr().err


def test_predict_needs_inputs(monkeypatch, capsys):
    assert run(monkeypatch, "predict", "model") == USAGE
    assert "predict takes a model and inputs" in capsys.readouterr().err


def test_the_best_moves_are_drawn(records, tmp_path, monkeypatch, capsys):
    path, game_file = tmp_path / "model.safetensors", tmp_path / "a.sgf"
    network = Network((48, 19, 19), parse(TINY)).module()
    save(path, network.state_dict(), Card("go", TINY, (48, 19, 19), LABELS, {"planes": "all"}))
    game_file.write_bytes(RECORD)
    arguments = ("predict", str(path), str(game_file), "--move", "3", "--top", "5")
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "a.svg")) == 0
    captured = capsys.readouterr()
    board_rows = [line for line in captured.out.splitlines() if line[:2].strip() == line[-2:].strip() != ""]
    assert len(board_rows) == 19 and all(sum(row.count(n) for row in board_rows) for n in "12345")
    assert "move 2 of 5: white D4" in captured.out and "wrote" in captured.err
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "a.svg")) == USAGE
    assert "a.svg exists; name another file, or replace it with --force" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "a.gif")) == USAGE
    assert "a.gif ends in none of .csv, .jsonl, .json, .svg, .png" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "a.jsonl")) == 0
    assert json.loads((tmp_path / "a.jsonl").read_text())["predictions"] and not capsys.readouterr().out
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "a.png"), "--json") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG") and json.loads(capsys.readouterr().out)
