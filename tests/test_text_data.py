"""Loading, reading and predicting texts; unusable ones are counted and named."""

import json

import pytest
import torch
from neocog.core import stream
from neocog.core.data import DataSpec
from neocog.core.inputs import BytesInput, FileInput, TextInput
from neocog.core.problem import DATA, Problem
from neocog.text import DOMAIN
from neocog.text.data import windows
from neocog.text.show import ids_to_text

NETWORK = "embed(tokens, 8), conv(8, 2), relu, globalmax, dense(classes)"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def table(tmp_path, pairs, name="t.csv"):
    path = tmp_path / name
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in pairs), encoding="utf-8")
    return str(path)


def pairs(count=60):
    return [(f"{'purr' if i % 2 else 'bark'} and {i} more words", "cat" if i % 2 else "dog") for i in range(count)]


def load(data, labels=None, preprocessing=None, **fields):
    return DOMAIN.load(DataSpec(data, **fields), labels, preprocessing)


def refused(data, **fields) -> str:
    with pytest.raises(Problem) as caught:
        load(data, **fields)
    assert caught.value.code == DATA
    return str(caught.value)


# --- load ------------------------------------------------------------------------------------------------------------


def test_ids_are_followed_by_padding_and_lengths_say_where_it_begins(tmp_path):
    data = load(table(tmp_path, pairs()))
    for split in data.splits.values():
        assert split.inputs.dtype == torch.int32 and split.lengths is not None
        is_token = torch.arange(split.inputs.shape[-1]) < split.lengths[:, None]
        assert torch.equal(split.inputs[:, 0, 0] > 0, is_token)


def test_valid_share_0_leaves_no_validation_split(tmp_path):
    """A validation split of the data is trained on too, unless --valid is given."""
    rows = [("train", "purr one", 0), ("train", "bark two", 1), ("valid", "purr three", 0), ("test", "bark four", 1)]
    path = tmp_path / "t.csv"
    path.write_text("split,text,label\n" + "".join(f"{split},{text},{label}\n" for split, text, label in rows))
    assert load(str(path)).counts == {"train": 2, "valid": 1, "test": 1}
    without = load(str(path), valid_share=0.0)
    assert without.counts == {"train": 3, "valid": 0, "test": 1} and without.given_splits == {"test"}
    assert f"trained on 1 text for validation in {path} too: --valid-share 0" in without.remarks
    named = load(str(path), valid_share=0.0, valid=table(tmp_path, [("purr five", 0)], "valid.csv"))
    assert named.counts == {"train": 2, "valid": 1, "test": 1}


def test_the_vocabulary_is_that_of_the_training_split(tmp_path):
    data = load(table(tmp_path, pairs()))
    trained = {int(index) for index in data.train.inputs.unique()} - {0}
    assert trained == set(range(2, data.preprocessing["tokens_known"]))
    assert 1 in data.test.inputs  # each text has a number that no other has


def test_texts_that_differ_only_in_blanks_are_in_one_split(tmp_path):
    doubled = [(text.replace(" ", " " * (1 + index)), label) for text, label in pairs(30) for index in (0, 1)]
    data = load(table(tmp_path, doubled))
    words = {name: {tuple(row) for row in split.inputs[:, 0, 0].tolist()} for name, split in data.splits.items()}
    assert sum(len(entry) for entry in words.values()) <= 31


def test_a_row_without_a_text_is_counted_and_skipped(tmp_path):
    data = load(table(tmp_path, [*pairs(), ("  ", "cat")]))
    assert sum(data.counts.values()) == 60
    assert [f"{entry.file.rsplit('/')[-1]} {entry.reason}" for entry in data.bad] == ["t.csv:62 has no text: '| cat'"]


def test_too_many_bad_rows_are_an_error(tmp_path):
    message = refused(table(tmp_path, [*pairs(20), *[("", "cat")] * 5]))
    assert "5 of 25 files cannot be used, more than --max-bad 5%" in message and "t.csv:22 has no text" in message


def test_a_single_class_is_refused(tmp_path):
    message = refused(table(tmp_path, [(text, "cat") for text, _ in pairs()]))
    assert "holds one class, cat (60 texts); expected two or more: give each class a folder" in message


def test_labels_that_differ_only_in_case_are_reported(tmp_path):
    data = load(
        table(
            tmp_path,
            [(text, label.upper() if index < 8 else f" {label} ") for index, (text, label) in enumerate(pairs())],
        )
    )
    assert data.labels == ["CAT", "DOG", "cat", "dog"]  # blanks around a label are ignored
    message = (
        "the labels 'CAT' and 'cat' differ only in case or blanks and are different classes; write them alike if they"
    )
    assert any(entry.startswith(message) for entry in data.remarks)


def test_a_hundred_thousand_labels_are_refused(tmp_path):
    message = refused(table(tmp_path, [(f"words of {i}", f"id{i}") for i in range(100_000)]))
    assert "has 100,000 different labels for 100,000 texts (id0, id1, id2, …), nearly one for each" in message
    assert "--label-column" in message


def test_long_texts_are_cut_and_the_share_is_reported(tmp_path):
    long = [("one two three four five six seven eight", "cat"), *pairs(59)]
    data = load(table(tmp_path, long), options={"max_length": 5})
    assert "1.7% of the texts are longer than 5 tokens and cut there, 1.0% of all tokens (--max-length)" in data.remarks
    assert max(int(split.lengths.max()) for split in data.splits.values()) == 5


def test_a_text_of_50_mb_in_one_line_is_truncated(tmp_path):
    data = load(table(tmp_path, [*pairs(), ("word " * 10_000_000, "cat")]))
    assert sum(data.counts.values()) == 61
    assert any("t.csv:62 has 49,999,999 characters; the first 1,000,000 are taken" in entry for entry in data.remarks)


def test_emoji_right_to_left_and_combining_marks_are_texts(tmp_path):
    strange = [("👩‍👧 👍🏽", "cat"), ("שלום עולם", "dog"), ("e\u0301tude", "cat")]
    data = load(table(tmp_path, [*pairs(), *strange]))
    assert sum(data.counts.values()) == 63 and not data.bad


def test_mixed_encodings_and_nul_bytes_are_read_and_reported(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"text,label\n"
        + "".join(f"{t},{y}\n" for t, y in pairs()).encode()
        + "schön,cat\n".encode("cp1252")
        + b"a\0b,dog\n"
    )
    data = load(str(path))
    assert sum(data.counts.values()) == 62
    assert "t.csv:62 is not UTF-8; read as Windows-1252 (or --set encoding=NAME)" in data.remarks
    assert "t.csv:63 has NUL bytes, which are left out" in data.remarks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "words"}, "token is not an option of text"),
        ({"tokens": "word"}, "tokens word is not known; it can be words, characters, bytes (did you mean words?)"),
        ({"max_length": 0}, "max_length is a whole number from 1 to 1,000,000; got 0"),
        ({"encoding": "utf-9"}, "utf-9 is not an encoding; expected such as utf-8, latin-1 or utf-16"),
        ({"label_level": "middle"}, "label_level middle is not known; it can be coarse, fine"),
        ({"lower": "no"}, "lower is true or false; got no"),
    ],
)
def test_a_wrong_option_names_the_valid_values(tmp_path, options, message):
    with pytest.raises(Problem) as caught:
        load(table(tmp_path, pairs()), options=options)
    assert message in str(caught.value)


# --- read, windows, expand_paths -------------------------------------------------------------------------------------


@pytest.fixture
def preprocessing(tmp_path):
    return load(table(tmp_path, pairs()), options={"max_length": 6}).preprocessing


def test_read_takes_a_text_bytes_or_a_file(preprocessing, tmp_path):
    text = "purr and more words"
    (tmp_path / "one.txt").write_text(text + "\n")
    assert torch.equal(
        DOMAIN.read(TextInput(text), preprocessing), DOMAIN.read(BytesInput(text.encode()), preprocessing)
    )
    assert torch.equal(
        DOMAIN.read(TextInput(text), preprocessing), DOMAIN.read(FileInput(str(tmp_path / "one.txt")), preprocessing)
    )


def test_the_windows_of_a_long_text_cover_it(preprocessing):
    words = "purr and more words purr and more words purr and more bark"
    text_windows = windows(TextInput(words), preprocessing)
    assert text_windows.spans == [(0, 5), (4, 9), (7, 12)] and text_windows.lengths.tolist() == [5, 5, 5]
    assert text_windows.inputs.shape == (3, 1, 1, preprocessing["length"])
    assert len(windows(TextInput("purr and"), preprocessing).spans) == 1


@pytest.mark.parametrize("value", [TextInput(""), TextInput("  "), BytesInput(b"\n")])
def test_an_empty_text_is_a_problem(preprocessing, value):
    with pytest.raises(Problem, match="is empty: it holds no words; expected a text"):
        DOMAIN.read(value, preprocessing)


def test_arguments_are_texts_or_files(tmp_path):
    (tmp_path / "one.txt").write_text("words")
    assert DOMAIN.expand_paths(["a fine film", str(tmp_path)]) == [
        TextInput("a fine film"),
        FileInput(str(tmp_path / "one.txt")),
    ]
    with pytest.raises(Problem, match=r"onr\.txt does not exist \(did you mean one\.txt\?\)"):
        DOMAIN.expand_paths([str(tmp_path / "onr.txt")])


# --- from the command line -------------------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path):
    from neocog import train

    return train(
        "text", table(tmp_path, pairs()), network=NETWORK, out=str(tmp_path / "run"), epochs=8, batch=8, lr=0.02
    )


def test_predict_takes_texts(command, trained, tmp_path):
    code, out, _ = command("predict", tmp_path / "run", "purr and some words", "bark and some words", "--json")
    assert code == 0
    assert [entry["predictions"][0]["label"] for entry in json.loads(out)] == ["cat", "dog"]


def test_predictions_for_a_table_are_added_to_its_rows(command, trained, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text('id,text\n7,"purr, and words"\n8,bark and words\n9,\n')
    code, out, err = command("predict", tmp_path / "run", path)
    lines = out.splitlines()
    assert lines[0] == "id,text,predicted,probability"
    assert lines[1].startswith('7,"purr, and words",cat,0.') and lines[2].startswith("8,bark and words,dog,0.")
    assert lines[3] == "9,,,"
    assert code == DATA and "1 row(s) hold no input and have no prediction" in err


def test_predictions_for_a_table_as_json(command, trained, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text('id,text\n7,"purr, and words"\n8,bark and words\n')
    code, out, _ = command("predict", tmp_path / "run", path, "--json", "--top", "2")
    message = json.loads(out)
    assert code == 0 and [entry["input"] for entry in message] == ["purr, and words", "bark and words"]
    assert [entry["predictions"][0]["label"] for entry in message] == ["cat", "dog"]
    assert all(len(entry["predictions"]) == 2 for entry in message)


def test_lines_are_predicted_as_they_arrive(trained):
    """The second line is read only after the first is predicted."""
    events = []

    def groups():
        for line in (b"purr and words", b"bark and words\r"):
            events.append(line)
            yield [line]

    for answer in stream.lines(trained, groups(), 1):
        events.append(answer["predictions"][0]["label"])
        assert not answer["input"].endswith("\r")
    assert events == [b"purr and words", "cat", b"bark and words\r", "dog"]


def test_lines_that_have_arrived_are_read_without_waiting(tmp_path):
    import os

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        os.write(writing, b"one\ntwo\nthr")
        arrived = stream.arriving(file)
        assert next(arrived) == [b"one", b"two"]
        os.write(writing, b"ee")
        os.close(writing)
        assert list(arrived) == [[b"three"]]


def test_an_empty_line_is_reported_and_the_others_are_predicted(trained):
    answers = list(stream.lines(trained, [[b"purr and", b"", b"bark and"]], 1))
    assert ["predictions" in entry for entry in answers] == [True, False, True]
    assert "is empty" in answers[1]["problem"]


def test_evaluate_uses_the_test_split_of_the_training(trained, tmp_path):
    scores = trained.evaluate(str(tmp_path / "t.csv"))
    assert (
        scores["scored_on"] == "test"
        and scores["examples"] == json.loads((tmp_path / "run/summary.json").read_text())["examples"]
    )


def test_inputs_are_shown_as_texts():
    preprocessing = {"vocabulary": ["a", "b"], "tokens": "words"}
    assert ids_to_text(torch.tensor([[[2, 1, 3, 0, 0]]]), preprocessing) == "a ▢ b"
    assert ids_to_text(torch.tensor([[[2, 3]]]), {**preprocessing, "tokens": "characters"}) == "ab"


def test_a_prediction_does_not_depend_on_its_batch(trained):
    texts = ["purr", "bark and bark and purr and more words of the same", "purr and"]
    together = trained.predict(texts)
    alone = [trained.predict([text])[0] for text in texts]
    for row, single in zip(together, alone, strict=True):
        assert row["predictions"][0]["probability"] == pytest.approx(single["predictions"][0]["probability"], abs=1e-6)
