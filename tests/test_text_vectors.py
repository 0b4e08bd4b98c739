"""Pretrained word vectors: file formats, matching by word, and messages that name the line."""

import struct

import numpy as np
import pytest
import torch
from neocog.core.problem import Problem
from neocog.text.vectors import Vectors, fill, load

TOKENS = ["cat", "dog", "New York", "unseen"]
ROWS = {"cat": [0.5, -1.0, 2.0], "dog": [1.0, 1.5, 0.25], "New York": [0.0, 3.0, -0.5], "other": [9.0, 9.0, 9.0]}


def text(path, header: bool, words=("cat", "dog", "other")):
    lines = [" ".join([word, *map(str, ROWS[word])]) for word in words]
    path.write_text("\n".join([f"{len(words)} 3"] * header + lines) + "\n")
    return str(path)


def binary(path, words=("cat", "dog", "New_York", "other"), ends="\n"):
    content = f"{len(words)} 3\n".encode()
    for word in words:
        content += word.encode() + b" " + struct.pack("3f", *ROWS[word.replace("_", " ")]) + ends.encode()
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("header", [False, True], ids=["GloVe", "word2vec and fastText"])
def test_text_formats(tmp_path, header):
    vectors = load(text(tmp_path / "v.vec", header), TOKENS)
    assert vectors.dim == 3
    assert {index: row.tolist() for index, row in vectors.rows.items()} == {2: ROWS["cat"], 3: ROWS["dog"]}
    expected = "vectors of 3 numbers for 2 of 4 tokens (50%); the others are initialised at random"
    assert vectors.remarks[-1].endswith(expected)


@pytest.mark.parametrize("ends", ["", "\n"])
def test_word2vecs_binary_format(tmp_path, ends):
    vectors = load(binary(tmp_path / "v.bin", ends=ends), TOKENS)
    assert {index: row.tolist() for index, row in vectors.rows.items()} == {2: ROWS["cat"], 3: ROWS["dog"]}


def test_words_may_contain_blanks(tmp_path):
    """As in GloVe's 840B file."""
    vectors = load(text(tmp_path / "v.txt", False, ("cat", "New York")), TOKENS)
    assert vectors.rows[4].tolist() == ROWS["New York"]


def test_a_word_without_a_vector_gets_that_of_its_form_in_other_case(tmp_path):
    (tmp_path / "v.txt").write_text("Cat 1 2 3\nDOG 4 5 6\ndog 7 8 9\n")
    vectors = load(str(tmp_path / "v.txt"), ["cat", "dog"])
    assert {index: row.tolist() for index, row in vectors.rows.items()} == {2: [1, 2, 3], 3: [7, 8, 9]}


def test_a_row_of_another_length_is_skipped_and_its_line_is_named(tmp_path):
    lines = [f"w{i} 1.0 2.0 3.0" for i in range(60)]
    lines[6], lines[8] = "w6 1.0 2.0", "w8 1.0 2.0 3.0 4.0"
    (tmp_path / "v.txt").write_text("\n".join(lines))
    vectors = load(str(tmp_path / "v.txt"), ["w6", "w7", "w8"])
    assert list(vectors.rows) == [3]
    assert vectors.remarks[0] == f"{tmp_path}/v.txt:7 has 2 numbers, the others have 3; 2 such rows are skipped"


def test_a_file_with_many_rows_of_other_lengths_is_refused(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2 3\nb 1 2\nc 1\n")
    with pytest.raises(Problem, match=r"v.txt:2 has 2 numbers, the others have 3; expected a word and the same count"):
        load(str(tmp_path / "v.txt"), ["a"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "just some words\n",
            "v.txt:1 is not a word with its vector: 'just some words'; expected a word, then its numbers",
        ),
        ("", "v.txt is empty; expected a word and the same count of numbers in each line"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "v.txt").write_text(content)
    with pytest.raises(Problem) as caught:
        load(str(tmp_path / "v.txt"), ["a"])
    assert message in str(caught.value)


def test_a_truncated_binary_file_is_refused(tmp_path):
    path = binary(tmp_path / "v.bin")
    (tmp_path / "v.bin").write_bytes((tmp_path / "v.bin").read_bytes()[:-8])
    with pytest.raises(Problem, match=r"v.bin breaks off in vector 4 of 4"):
        load(path, ["cat"])


def test_a_missing_file_gets_a_suggestion(tmp_path):
    text(tmp_path / "vectors.txt", False)
    with pytest.raises(Problem, match=r"vector.txt does not exist \(did you mean vectors.txt\?\); expected a file of"):
        load(str(tmp_path / "vector.txt"), ["cat"])


def test_fill_sets_known_rows_and_gives_the_others_the_same_variance():
    table = torch.zeros(1002, 3)
    rng = np.random.default_rng(0)
    known = {index: rng.normal(0, 2, 3).astype(np.float32) for index in range(2, 500)}
    fill(table, Vectors(known, 3, []), torch.Generator().manual_seed(0))
    assert torch.equal(table[2], torch.from_numpy(known[2])) and table[0].abs().sum() == 0
    assert float(table[500:].std()) == pytest.approx(2, rel=0.1)


def test_vectors_of_another_size_than_the_table_are_refused():
    with pytest.raises(
        Problem, match=r'the vectors have 3 numbers, the network\'s embed has 5; write the recipe as "kim'
    ):
        fill(torch.zeros(4, 5), Vectors({}, 3, []), torch.Generator())
