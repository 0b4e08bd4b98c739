"""Rendering of texts coloured by relevance, augmentation of texts, and the report of `check`."""

import re

import numpy as np
import pytest
import torch
from neocog.core.data import DataSpec
from neocog.core.problem import Problem
from neocog.text import DOMAIN, augment
from neocog.text.show import colour_of, html, show, split_by_tokens, terminal

TEXT = "A <b>fine</b> film, Émile!"


def test_pieces_join_to_the_text_with_each_token_coloured():
    tokens = ["a", "<", "b", ">", "fine", "<", "/", "b", ">", "film", ",", "émile", "!"]
    parts = split_by_tokens(TEXT, [float(token == "fine") for token in tokens], "words", True)
    assert "".join(part for part, _ in parts) == TEXT
    assert [part for part, strength in parts if strength] == ["fine"]


def test_terminal_adds_colours_to_the_text():
    output = terminal("not good", [-1.0, 0.5])
    assert re.sub(r"\x1b\[[0-9;]*m", "", output) == "not good" and output.count("\x1b[0m") == 2


def test_html_adds_spans_and_escapes_the_text():
    output = html("<script> evil", [0, 0, 0, 1.0])
    assert "<script>" not in output and "&lt;script&gt;" in output
    assert '<span style="background: rgb(' in output and "evil</span>" in output


def test_positive_relevance_is_red_and_negative_blue():
    (red, _, blue), (red2, _, blue2) = colour_of(1.0), colour_of(-1.0)
    assert red > blue and blue2 > red2 and colour_of(0.0) == (255, 255, 255)


def test_an_image_has_the_words_in_lines():
    preprocessing = {"vocabulary": [f"word{i}" for i in range(50)], "tokens": "words"}
    ids = torch.zeros(1, 1, 64, dtype=torch.int32)
    ids[0, 0, :50] = torch.arange(2, 52)
    image = show(ids, torch.linspace(-1, 1, 64), preprocessing)
    pixels = np.asarray(image)
    assert 600 < image.size[0] <= 640 and image.size[1] > 60
    assert bool((pixels[..., 0] > pixels[..., 2] + 60).any()) and bool((pixels[..., 2] > pixels[..., 0] + 60).any())


# --- augmentation ----------------------------------------------------------------------------------------------------


def augmented(text: str, ids: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return augment.augment(text, {}).inputs(ids, torch.zeros(len(ids)), torch.Generator().manual_seed(seed))[0]


IDS = torch.arange(2, 102).repeat(50, 1)[:, None, None].int()
IDS[..., 80:] = 0


def test_dropped_tokens_are_unknown_and_padding_is_kept():
    ids = augmented("drop(0.3)", IDS)
    assert float((ids[..., :80] == 1).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(ids[..., 80:], IDS[..., 80:]) and ids.dtype == torch.int32
    assert torch.equal(ids[ids != 1], IDS[ids != 1])


def test_swap_permutes_tokens():
    ids = augmented("swap(0.4)", IDS)
    assert torch.equal(ids.sort(-1).values, IDS.sort(-1).values) and not torch.equal(ids, IDS)
    assert int((ids - IDS)[..., :80].abs().max()) == 1  # by one position at most
    assert torch.equal(ids[..., 80:], IDS[..., 80:])


def test_equal_seeds_give_equal_ids():
    assert torch.equal(augmented("drop, swap", IDS, 3), augmented("drop, swap", IDS, 3))
    assert not torch.equal(augmented("drop, swap", IDS, 3), augmented("drop, swap", IDS, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dorp(0.1)", "dorp is not a known augmentation (did you mean drop?)"),
        ("drop(2)", "drop: share is a number from 0 to 1; got 2"),
        ("drop(0.1, 0.2)", "drop(0.1, 0.2): too many positional arguments; drop takes share"),
        (" ", "the augmentation is empty; write none, or augmentations such as: drop(0.1), swap(0.05)"),
    ],
)
def test_an_invalid_text_raises_its_message(text, message):
    with pytest.raises(Problem) as caught:
        augment.augment(text, {})
    assert message in str(caught.value)


# --- check -----------------------------------------------------------------------------------------------------------


def test_check_reports_counts_lengths_scripts_and_problems(tmp_path):
    lines = [f"some words {i},{'xy'[i % 2]}" for i in range(40)]
    lines += ["the same text,x", "the same text,y", "ещё слова здесь,x", "世界,y", ",x", "odd,row,here"]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    report = DOMAIN.check(DataSpec(str(tmp_path / "t.csv")))
    assert report["examples"] == 44 and report["labels"] == {"x": 22, "y": 22}
    assert report["lengths"] == {"shortest": 1, "median": 3, "95%": 3, "longest": 3}
    assert report["scripts"] == {"Latin": 42, "Cyrillic": 1, "CJK": 1}
    assert [bad["file"].rsplit("/")[-1] for bad in report["bad"]] == ["t.csv:46", "t.csv:47"]
    (duplicate,) = report["duplicates"]
    assert duplicate["labels"] == ["x", "y"] and not duplicate["across"]
    assert any("with more than one label, identical byte for byte" in problem for problem in report["problems"])
