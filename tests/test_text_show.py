"""Texts for people: words coloured where they stand, in a terminal, a page and a picture; and what check tells."""

import re

import numpy as np
import pytest
import torch
from neocog.core.data import DataSpec
from neocog.core.problem import Problem
from neocog.text import DOMAIN, augment
from neocog.text.show import html, pieces, show, terminal, tint

TEXT = "A <b>fine</b> film, Émile!"


def test_pieces_are_the_text_again_with_each_token_coloured():
    tokens = ["a", "<", "b", ">", "fine", "<", "/", "b", ">", "film", ",", "émile", "!"]
    found = pieces(TEXT, [float(each == "fine") for each in tokens], "words", True)
    assert "".join(piece for piece, _ in found) == TEXT
    assert [piece for piece, force in found if force] == ["fine"]


def test_a_terminal_gets_colours_and_the_same_text():
    told = terminal("not good", [-1.0, 0.5])
    assert re.sub(r"\x1b\[[0-9;]*m", "", told) == "not good" and told.count("\x1b[0m") == 2


def test_a_page_gets_spans_and_no_tags_of_the_text():
    told = html("<script> evil", [0, 0, 0, 1.0])
    assert "<script>" not in told and "&lt;script&gt;" in told
    assert '<span style="background: rgb(' in told and "evil</span>" in told


def test_red_speaks_for_and_blue_against():
    (red, _, blue), (red2, _, blue2) = tint(1.0), tint(-1.0)
    assert red > blue and blue2 > red2 and tint(0.0) == (255, 255, 255)


def test_a_picture_shows_the_words_in_lines():
    preprocessing = {"vocabulary": [f"word{i}" for i in range(50)], "tokens": "words"}
    ids = torch.zeros(1, 1, 64, dtype=torch.int32)
    ids[0, 0, :50] = torch.arange(2, 52)
    picture = show(ids, torch.linspace(-1, 1, 64), preprocessing)
    pixels = np.asarray(picture)
    assert 600 < picture.size[0] <= 640 and picture.size[1] > 60
    assert bool((pixels[..., 0] > pixels[..., 2] + 60).any()) and bool((pixels[..., 2] > pixels[..., 0] + 60).any())


# --- augmentation ----------------------------------------------------------------------------------------------------


def changed(text: str, ids: torch.Tensor, seed: int = 0) -> torch.Tensor:
    change = augment.augment(text, {})
    return change.inputs(ids, torch.zeros(len(ids)), torch.Generator().manual_seed(seed))[0]


IDS = torch.arange(2, 102).repeat(50, 1)[:, None, None].int()
IDS[..., 80:] = 0


def test_dropped_tokens_are_unknown_and_padding_stays():
    ids = changed("drop(0.3)", IDS)
    assert float((ids[..., :80] == 1).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(ids[..., 80:], IDS[..., 80:]) and ids.dtype == torch.int32
    assert torch.equal(ids[ids != 1], IDS[ids != 1])


def test_swapped_tokens_are_the_same_tokens():
    ids = changed("swap(0.4)", IDS)
    assert torch.equal(ids.sort(-1).values, IDS.sort(-1).values) and not torch.equal(ids, IDS)
    assert int((ids - IDS)[..., :80].abs().max()) == 1  # each moved by one place at most
    assert torch.equal(ids[..., 80:], IDS[..., 80:])


def test_the_same_generator_gives_the_same_changes():
    assert torch.equal(changed("drop, swap", IDS, 3), changed("drop, swap", IDS, 3))
    assert not torch.equal(changed("drop, swap", IDS, 3), changed("drop, swap", IDS, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dorp(0.1)", "dorp is not a known augmentation (did you mean drop?)"),
        ("drop(2)", "drop: share is a number from 0 to 1; got 2"),
        ("drop(0.1, 0.2)", "drop(0.1, 0.2): too many positional arguments; drop takes share"),
        (" ", "the augmentation is empty; write none, or augmentations such as: drop(0.1), swap(0.05)"),
    ],
)
def test_words_that_augmentation_has_not(text, message):
    with pytest.raises(Problem) as caught:
        augment.augment(text, {})
    assert message in str(caught.value)


# --- check -----------------------------------------------------------------------------------------------------------


def test_check_tells_what_training_would_meet(tmp_path):
    lines = [f"some words {i},{'xy'[i % 2]}" for i in range(40)]
    lines += ["the same text,x", "the same text,y", "ещё слова здесь,x", "世界,y", ",x", "odd,row,here"]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    told = DOMAIN.check(DataSpec(str(tmp_path / "t.csv")))
    assert told["examples"] == 44 and told["labels"] == {"x": 22, "y": 22}
    assert told["lengths"] == {"shortest": 1, "median": 3, "95%": 3, "longest": 3}
    assert told["scripts"] == {"Latin": 42, "Cyrillic": 1, "CJK": 1}
    assert [each["file"].rsplit("/")[-1] for each in told["bad"]] == ["t.csv:46", "t.csv:47"]
    (twins,) = told["duplicates"]
    assert twins["labels"] == ["x", "y"] and not twins["across"]
    assert any("with more than one label, the same bytes" in each for each in told["problems"])
