"""Prediction from the command line: what is a file and what is a text, and predictions as files."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from neocog import load, train
from neocog.core import checkpoint, stream
from neocog.core.file_formats import binary_format, looks_like_a_file
from neocog.core.inputs import TextInput
from neocog.core.problem import DATA, USAGE, Problem
from PIL import Image

TEXTS = "embed(tokens, 8), conv(8, 2), relu, globalmax, dense(classes)"
WORDS = {"cat": "purr", "dog": "bark"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with a model of texts, text/, one of pictures, vision/, and their data."""
    folder = tmp_path_factory.mktemp("runs")
    cache = {"cache": str(folder / "cache")}
    lines = [f"{WORDS[label]} and {i} more words,{label}" for i in range(40) for label in WORDS]
    (folder / "pets.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    settings = {"epochs": 8, "batch": 8, "lr": 0.02}
    train("text", str(folder / "pets.csv"), network=TEXTS, out=str(folder / "text"), options=cache, **settings)
    for label, level in (("dark", 40), ("light", 200)):
        (folder / "photos" / label).mkdir(parents=True)
        for i in range(20):
            pixels = np.full((8, 8, 3), level + i, np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / label / f"{i}.png")
    network = "conv(4, 3), relu, flatten, dense(classes)"
    train("vision", str(folder / "photos"), network=network, out=str(folder / "vision"), options=cache, **settings)
    return folder


@pytest.fixture
def neocog(command, runs, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(runs / "cache"))
    monkeypatch.chdir(runs)
    return command


# --- files and texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["reviwes.csv", "my reviews.csv", "I read notes.txt", "./cat", "../a b/c.md", "/data", "a/b.PNG", "x.tar.gz"],
)
def test_a_name_looks_like_a_file(text):
    assert looks_like_a_file(text)


@pytest.mark.parametrize(
    "text",
    ["a fine film", "Great.", "3.5", "and/or", "e.g. this", "www.example.org", "https://a.org/b.html", "/ 10", ".csv"],
)
def test_a_sentence_does_not_look_like_a_file(text):
    assert not looks_like_a_file(text)


def test_a_missing_file_is_never_predicted_as_a_text(neocog):
    code, out, err = neocog("predict", "text", "pest.csv")
    assert code == USAGE and not out
    assert "pest.csv does not exist (did you mean pets.csv?); if it is a text itself, use --text" in err
    (row,) = load("text", "cpu").predict(["pest.csv"])
    assert row["problem"].startswith("pest.csv does not exist")


def test_text_is_always_a_text(neocog):
    code, out, _ = neocog("predict", "text", "--text", "pets.csv", "--text", "purr and words", "--json")
    rows = json.loads(out)
    assert code == 0 and [row["input"] for row in rows] == ["pets.csv", "purr and words"]
    assert rows[1]["predictions"][0]["label"] == "cat"
    code, _, err = neocog("predict", "vision", "--text", "a cat")
    assert code == USAGE and "--text is not for vision" in err


def test_json_lines_and_parquet_are_tables_as_in_training(neocog, tmp_path):
    import pyarrow
    from pyarrow import parquet

    rows = [{"id": i, "text": f"{word} and words"} for i, word in enumerate(WORDS.values())]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "new.parquet")
    for name in ("new.jsonl", "new.parquet"):
        code, out, err = neocog("predict", "text", tmp_path / name, "--json")
        assert code == 0 and [row["predictions"][0]["label"] for row in json.loads(out)] == ["cat", "dog"], err
        assert f"{name}: text: column text" in err


def test_compressed_tables_and_spreadsheets_are_tables_as_in_training(neocog, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = [("text", "id"), *((f"{word} and words", i) for i, word in enumerate(WORDS.values()))]
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress("".join(f"{a},{b}\n" for a, b in rows).encode()))
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "new.xlsx")
    for name in ("new.csv.gz", "new.xlsx"):
        code, out, err = neocog("predict", "text", tmp_path / name)
        table = list(csv.DictReader(io.StringIO(out)))
        assert code == 0 and [row["predicted"] for row in table] == ["cat", "dog"], err
        assert [row["id"] for row in table] == ["0", "1"] and f"{name}: text: column text" in err


@pytest.mark.parametrize("line", ["{1}\t{0}", "{0};{1}", "__label__{1} {0}", "{1}:sub {0}", "4 {0}"])
def test_lines_of_a_label_and_a_text_are_not_one_text(neocog, tmp_path, line):
    pairs = [(f"{word} and {i} more words", label) for i in range(6) for label, word in WORDS.items()]
    (tmp_path / "lines.txt").write_text("".join(line.format(*pair) + "\n" for pair in pairs))
    code, out, err = neocog("predict", "text", tmp_path / "lines.txt", "--json")
    assert code == 0 and [row["predictions"][0]["label"] for row in json.loads(out)] == [label for _, label in pairs]
    assert "lines.txt: each line holds a label and a text, which is predicted" in err


@pytest.mark.parametrize(
    "text", ["purr and words\n" * 20, "a\tb\nc\td\n", "\n".join(f"{k}\twords {k}" for k in range(20))]
)
def test_other_lines_are_one_text(neocog, tmp_path, text):
    (tmp_path / "one.txt").write_text(text)
    code, out, err = neocog("predict", "text", tmp_path / "one.txt", "--json")
    assert code == 0 and [row["input"] for row in json.loads(out)] == [str(tmp_path / "one.txt")]
    assert ("one.txt: taken as one text, though its lines may begin with labels" in err) == text.startswith("purr")


def test_an_archive_or_a_document_is_named_as_what_it_is(neocog, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 and more")
    for name, kind in (
        ("a.zip", "a zip archive, or a document or spreadsheet of an office program"),
        ("b.pdf", "a PDF"),
    ):
        for model, noun in (("vision", ", not a picture"), ("text", "; expected a text")):
            code, _, err = neocog("predict", model, tmp_path / name)
            assert code == DATA and f"{name} is {kind}" in err and noun in err


def test_the_next_commands_are_quoted_for_the_shell(neocog, runs, tmp_path):
    data, out = tmp_path / "my pets.csv", tmp_path / "my run"
    data.write_text((runs / "pets.csv").read_text())
    _, shown, _ = neocog("train", "text", data, "--network", TEXTS, "--epochs", "1", "--out", out, "--quiet")
    assert f"  neocog predict '{out}' FILE...\n  neocog evaluate '{out}' '{data}'\n" in shown


def test_a_table_of_pictures_is_predicted_row_by_row(neocog, runs, tmp_path):
    rows = [("file", "id"), ("light/3.png", "a"), ("dark/4.png", "b"), ("dark/missing.png", "c")]
    path = runs / "photos" / "list.csv"
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    code, out, err = neocog("predict", "vision", path)
    table = list(csv.DictReader(io.StringIO(out)))
    assert code == DATA and [row["predicted"] for row in table] == ["light", "dark", ""]
    assert [row["id"] for row in table] == ["a", "b", "c"]
    assert "list.csv: path: column file" in err and "1 row(s) hold no input and have no prediction" in err
    code, out, _ = neocog("predict", "vision", path, "--json")
    assert "missing.png does not exist" in json.loads(out)[2]["problem"]
    path.unlink()
    code, _, err = neocog("predict", "vision", runs / "pets.csv", "--text-column", "text")
    assert code == USAGE and "text_column is not an option of vision" in err


def test_parquet_with_pictures_in_it_is_predicted_and_evaluated(neocog, runs, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    names = ["light/3.png", "dark/4.png"] * 3
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    contents = [{"bytes": (runs / "photos" / name).read_bytes(), "path": None} for name in names]
    labels = [name.partition("/")[0] for name in names]
    path = tmp_path / "new.parquet"
    parquet.write_table(pyarrow.table({"image": pyarrow.array(contents, kind), "label": labels}), path)
    code, out, err = neocog("predict", "vision", path, "--json")
    rows = json.loads(out)
    assert code == 0 and [row["predictions"][0]["label"] for row in rows] == labels, err
    assert rows[1]["input"] == f"{path}:2" and "new.parquet: picture: column image" in err
    code, out, err = neocog("evaluate", "vision", path, "--json")
    assert code == 0 and json.loads(out)["accuracy"] == 1 and json.loads(out)["examples"] == 6, err


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "a PNG picture"),
        ("notes.txt", b"\xff\xd8\xff\xe0" + bytes(40), "a JPEG picture"),
        ("reviews.gz", b"\x1f\x8b\x08" + bytes(40), "compressed with gzip"),
        ("reviews.docx", b"PK\x03\x04" + bytes(40), "a zip archive, or a document or spreadsheet"),
        ("a.wav", b"RIFF....WAVEfmt " + bytes(40), "a WAV recording"),
        ("a.tar", bytes(257) + b"ustar" + bytes(40), "a tar archive"),
    ],
)
def test_what_is_no_text_is_refused_by_a_text_model(neocog, tmp_path, name, content, form):
    (tmp_path / name).write_bytes(content)
    code, out, err = neocog("predict", "text", tmp_path / name)
    assert code == DATA and not out and f"{tmp_path / name} is {form}" in err and "expected a text" in err


def test_control_characters_are_no_text(neocog, tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(range(1, 32)) * 20)
    code, _, err = neocog("predict", "text", tmp_path / "a.txt")
    assert code == DATA and "a.txt is not a text: it holds many control characters" in err
    assert binary_format("grüße".encode()) == "" == binary_format(b"")


# --- predictions as files --------------------------------------------------------------------------------------------


def table_of(path: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json"])
def test_out_has_a_row_for_each_input(neocog, tmp_path, ending):
    (tmp_path / "broken.png").write_text("no picture")
    path = tmp_path / f"rows.{ending}"
    inputs = ("photos/dark/1.png", tmp_path / "broken.png", "photos/light/2.png")
    code, out, err = neocog("predict", "vision", *inputs, "--out", path)
    assert code == DATA and not out and f"wrote {path}" in err
    if ending == "csv":
        rows = table_of(path)
        assert [row["predicted"] for row in rows] == ["dark", "", "light"] and float(rows[0]["probability"]) > 0.5
    else:
        text = path.read_text()
        rows = json.loads(text) if ending == "json" else [json.loads(line) for line in text.splitlines()]
        labels = [row["predictions"][0]["label"] if "predictions" in row else "" for row in rows]
        assert labels == ["dark", "", "light"]
    assert [row["input"] for row in rows] == [str(value) for value in inputs]
    assert "holds text, not a picture" in rows[1]["problem"]


def test_a_text_that_a_spreadsheet_would_run_is_quoted(neocog, tmp_path):
    neocog("predict", "text", "--text", "=purr()", "--out", tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text().splitlines()[1].startswith("'=purr()")


def test_out_of_a_table_is_the_table_with_columns_added(neocog, tmp_path):
    (tmp_path / "new.csv").write_text('id;text\n7;"purr, and words"\n8;bark\n')
    code, out, err = neocog("predict", "text", tmp_path / "new.csv", "--out", tmp_path / "rows.csv")
    assert code == 0 and not out and "new.csv: text: column text" in err
    rows = table_of(tmp_path / "rows.csv")
    assert [(row["id"], row["text"], row["predicted"]) for row in rows] == [
        ("7", "purr, and words", "cat"),
        ("8", "bark", "dog"),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.xlsx", "x.xlsx ends in none of .csv, .jsonl, .json"),
        ("x.png", "--out x.png is not for vision; expected .csv, .jsonl, .json"),
        ("none/x.csv", "the folder none does not exist; create it, or name another file"),
        ("pets.csv", "pets.csv exists; name another file, or replace it with --force"),
    ],
)
def test_an_output_is_checked_before_the_work(neocog, name, message):
    code, out, err = neocog("predict", "vision", "photos/dark/1.png", "--out", name)
    assert code == USAGE and message in err and not out


def test_a_blank_line_keeps_its_place(neocog, monkeypatch, tmp_path):
    monkeypatch.setattr(stream, "arriving", lambda file: [file.read().split(b"\n")])
    code, out, err = neocog("predict", "text", "-", stdin=b"purr and\n\nbark and")
    lines = out.split("\n")
    assert code == DATA and lines[1] == "" and "cat" in lines[0] and "dog" in lines[2] and "is empty" in err
    _, out, _ = neocog("predict", "text", "-", "--out", tmp_path / "rows.csv", stdin=b"purr and\n\nbark and")
    assert not out and [row["predicted"] for row in table_of(tmp_path / "rows.csv")] == ["cat", "", "dog"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_evaluate_writes_each_example_with_its_true_label(neocog, tmp_path, ending):
    path = tmp_path / f"rows.{ending}"
    code, out, err = neocog("evaluate", "vision", "photos", "--part", "all", "--predictions", path, "--json")
    metrics = json.loads(out)
    rows = table_of(path) if ending == "csv" else [json.loads(line) for line in path.read_text().splitlines()]
    assert code == 0 and len(rows) == metrics["examples"] == 40 and f"wrote {path}" in err
    assert all(Path(row["input"]).parent.name == row["label"] for row in rows)
    correct = sum(str(row["correct"]) == "True" for row in rows)
    assert correct / len(rows) == metrics["accuracy"]


# --- weights that are no numbers -------------------------------------------------------------------------------------


def damaged(runs: Path, name: str, value: float) -> Path:
    """A copy of the model of texts whose convolution and dense layer are multiplied by a value."""
    card, tensors = checkpoint.card(runs / "text/model.safetensors"), {}
    for key, tensor in checkpoint.read_tensors(runs / "text/model.safetensors").items():
        tensors[key] = tensor * value if key.startswith(("1.", "4.")) else tensor
    checkpoint.save(runs / name, tensors, card)
    return runs / name


def test_weights_that_are_not_finite_are_refused_by_predict_as_by_evaluate(neocog, runs):
    path = damaged(runs, "nan.safetensors", float("nan"))
    for words in (("predict", path, "purr"), ("evaluate", path, "pets.csv")):
        code, out, err = neocog(*words)
        assert code == 3 and not out
        assert "of layer 1 holds numbers that are not finite; train it again" in err


def test_a_prediction_that_is_not_finite_is_a_problem_of_its_input(runs):
    model = load(str(damaged(runs, "large.safetensors", 1e30)), "cpu")
    (row,) = model.predict([TextInput("purr and words")])
    assert "predictions" not in row and "the prediction is not a finite number" in row["problem"]


# --- texts as their authors wrote them -------------------------------------------------------------------------------


def test_a_report_shows_texts_as_written_with_unknown_words_in_brackets(neocog, tmp_path):
    lines = [f"{WORDS[label].title()}, {label} No. {i}!,{label}" for i in range(40) for label in WORDS]
    text = "label,text\n" + "".join(f'{line.rpartition(",")[2]},"{line.rpartition(",")[0]}"\n' for line in lines)
    (tmp_path / "train.csv").write_text(text)
    (tmp_path / "test.csv").write_text('label,text\ncat,"BARK, the Zyzzyva said & left."\ndog,"Purr & Purr!"\n')
    words = ("--test", tmp_path / "test.csv", "--network", TEXTS, "--out", tmp_path / "run", "--quiet")
    code, _, err = neocog("train", "text", tmp_path / "train.csv", *words, "--epochs", "8", "--lr", "0.02")
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert code == 0 and "BARK, [the] [Zyzzyva] [said] [&amp;] [left]." in page, err
    assert "▢" not in page
    command = ("filters", tmp_path / "run", "--top", tmp_path / "test.csv", "--layer", "1", "--unit", "0")
    code, out, err = neocog(*command)
    patches = [line.split(": ", 1)[1] for line in out.splitlines()[1:]]
    assert code == 0 and len(patches) == 2, err
    assert all(patch.strip("'") in "BARK, [the] [Zyzzyva] [said] [&] [left]. Purr [&] Purr!" for patch in patches)


def test_a_suggested_run_keeps_its_folder(neocog, tmp_path, monkeypatch):
    (tmp_path / "runs/vision-swift-1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    code, _, err = neocog("predict", "runs/vision-swfit-1", "a.png")
    assert code == USAGE and "(did you mean runs/vision-swift-1?)" in err
    with pytest.raises(Problem, match=r"did you mean runs\?\)"):
        load("rusn")


def test_the_cells_of_a_table_are_escaped_for_a_terminal_only(neocog, runs, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("text\npurr \x1b[2J\n")
    assert neocog("predict", "text", tmp_path / "a.csv")[1].splitlines()[1].startswith("purr \x1b[2J,")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert neocog("predict", "text", tmp_path / "a.csv")[1].splitlines()[1].startswith(r"purr \x1b[2J,")


def test_options_of_the_domain_are_set_where_data_are_read(neocog, tmp_path):
    """Such as the encoding, which no command has an option for: "ŕ" in cp1250 is "à" in cp1252."""
    table = tmp_path / "a.csv"
    table.write_bytes(b"text,label\n" + b"".join(b"purr \xe0 %d,cat\nbark \xe0 %d,dog\n" % (i, i) for i in range(20)))
    for encoding, letter in (("cp1250", "ŕ"), ("cp1252", "à")):
        code, out, err = neocog("predict", "text", table, "--set", f"encoding={encoding}")
        assert code == 0 and f"purr {letter} 0," in out, err
        assert neocog("evaluate", "text", table, "--set", f"encoding={encoding}")[0] == 0
        assert neocog("check", "text", table, "--set", f"encoding={encoding}")[0] == 0
    for command in (("check", "text", table), ("predict", "text", table), ("evaluate", "text", table)):
        code, _, err = neocog(*command, "--set", "encodin=utf-8")
        assert (
            code == USAGE
            and "encodin is not an option of text; the options are" in err
            and "(did you mean encoding?)" in err
        )
    code, _, err = neocog("predict", "text", "--text", "purr", "--set", "encoding=cp1250")
    assert code == USAGE and "--set is for the rows of one table; other inputs are read as the model was trained" in err
