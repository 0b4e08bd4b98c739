"""Word vectors are read from every form they come in, matched by word, and what does not fit is named with its line."""

import struct

import numpy as np
import pytest
import torch
from neocog.core.problem import Problem
from neocog.text.vectors import Vectors, fill, load

TOKENS = ["cat", "dog", "New York", "unseen"]
ROWS = {"cat": [0.5, -1.0, 2.0], "dog": [1.0, 1.5, 0.25], "New York": [0.0, 3.0, -0.5], "other": [9.0, 9.0, 9.0]}


def text(path, head: bool, words=("cat", "dog", "other")):
    lines = [" ".join([word, *map(str, ROWS[word])]) for word in words]
    path.write_text("\n".join([f"{len(words)} 3"] * head + lines) + "\n")
    return str(path)


def binary(path, words=("cat", "dog", "New_York", "other"), ends="\n"):
    content = f"{len(words)} 3\n".encode()
    for word in words:
        content += word.encode() + b" " + struct.pack("3f", *ROWS[word.replace("_", " ")]) + ends.encode()
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("head", [False, True], ids=["GloVe", "word2vec and fastText"])
def test_text_forms(tmp_path, head):
    found = load(text(tmp_path / "v.vec", head), TOKENS)
    assert found.dim == 3 and {at: row.tolist() for at, row in found.rows.items()} == {2: ROWS["cat"], 3: ROWS["dog"]}
    assert found.remarks[-1].endswith("vectors of 3 numbers for 2 of 4 tokens (50%); the others begin at random")


@pytest.mark.parametrize("ends", ["", "\n"])
def test_the_binary_form_of_word2vec(tmp_path, ends):
    found = load(binary(tmp_path / "v.bin", ends=ends), TOKENS)
    assert {at: row.tolist() for at, row in found.rows.items()} == {2: ROWS["cat"], 3: ROWS["dog"]}


def test_a_word_of_several_pieces_keeps_them(tmp_path):
    """GloVe's 840B file has such words."""
    found = load(text(tmp_path / "v.txt", False, ("cat", "New York")), TOKENS)
    assert found.rows[4].tolist() == ROWS["New York"]


def test_another_case_serves_where_the_word_itself_has_none(tmp_path):
    (tmp_path / "v.txt").write_text("Cat 1 2 3\nDOG 4 5 6\ndog 7 8 9\n")
    found = load(str(tmp_path / "v.txt"), ["cat", "dog"])
    assert {at: row.tolist() for at, row in found.rows.items()} == {2: [1, 2, 3], 3: [7, 8, 9]}


def test_a_row_of_another_length_is_left_out_with_its_line(tmp_path):
    lines = [f"w{i} 1.0 2.0 3.0" for i in range(60)]
    lines[6], lines[8] = "w6 1.0 2.0", "w8 1.0 2.0 3.0 4.0"
    (tmp_path / "v.txt").write_text("\n".join(lines))
    found = load(str(tmp_path / "v.txt"), ["w6", "w7", "w8"])
    assert list(found.rows) == [3]
    assert found.remarks[0] == f"{tmp_path}/v.txt:7 has 2 numbers, the others have 3; 2 such rows are left out"


def test_many_rows_of_another_length_are_no_file_of_vectors(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2 3\nb 1 2\nc 1\n")
    with pytest.raises(Problem, match=r"v.txt:2 has 2 numbers, the others have 3; expected a word and the same count"):
        load(str(tmp_path / "v.txt"), ["a"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "just some words\n",
            "v.txt:1 is no word with its vector: 'just some words'; expected a word, then its numbers",
        ),
        ("", "v.txt is empty; expected a word and the same count of numbers in each line"),
    ],
)
def test_what_is_no_file_of_vectors_says_so(tmp_path, content, message):
    (tmp_path / "v.txt").write_text(content)
    with pytest.raises(Problem) as caught:
        load(str(tmp_path / "v.txt"), ["a"])
    assert message in str(caught.value)


def test_a_binary_file_that_breaks_off(tmp_path):
    path = binary(tmp_path / "v.bin")
    (tmp_path / "v.bin").write_bytes((tmp_path / "v.bin").read_bytes()[:-8])
    with pytest.raises(Problem, match=r"v.bin breaks off in vector 4 of 4"):
        load(path, ["cat"])


def test_a_file_that_is_not_there(tmp_path):
    text(tmp_path / "vectors.txt", False)
    with pytest.raises(Problem, match=r"vector.txt does not exist \(did you mean vectors.txt\?\); expected a file of"):
        load(str(tmp_path / "vector.txt"), ["cat"])


def test_a_table_gets_its_vectors_and_the_others_their_spread():
    table = torch.zeros(1002, 3)
    rng = np.random.default_rng(0)
    known = {at: rng.normal(0, 2, 3).astype(np.float32) for at in range(2, 500)}
    fill(table, Vectors(known, 3, []), torch.Generator().manual_seed(0))
    assert torch.equal(table[2], torch.from_numpy(known[2])) and table[0].abs().sum() == 0
    assert float(table[500:].std()) == pytest.approx(2, rel=0.1)


def test_vectors_of_another_size_than_the_table_are_refused():
    with pytest.raises(
        Problem, match=r'the vectors have 3 numbers, the network\'s embed has 5; write the recipe as "kim'
    ):
        fill(torch.zeros(4, 5), Vectors({}, 3, []), torch.Generator())
