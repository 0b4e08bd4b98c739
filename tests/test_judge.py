"""Layouts of other people's disks are read as they are meant, refused or pointed out, never trained on in silence."""

import json
import os
from collections import Counter
from pathlib import Path

import neocog
import pytest
from neocog.core.data import Data, DataSpec
from neocog.core.problem import Problem
from neocog.core.sources.delimited import detect_dialect
from neocog.core.sources.judge import (
    are_quantities,
    could_be_labels,
    is_header,
    lists_of_labels,
    one_label,
    separator_of,
)
from neocog.core.sources.label_spelling import label_remarks
from neocog.core.sources.layout import label_by_folder
from neocog.core.sources.split_names import split_folders, split_in, split_name
from neocog.core.sources.table import read_table
from neocog.core.targets import TargetSpec
from neocog.speech import DOMAIN as SPEECH
from neocog.text import DOMAIN as TEXT
from neocog.text.data import table_in
from neocog.text.options import Reading
from neocog.text.sources import TEXTS, open_source
from neocog.vision import DOMAIN as VISION
from photos import counts, files, loaded, png, refused
from recorded import hiss, tone, write

GOOD = [f"a warm and lovely film number {number}" for number in range(30)]
BAD = [f"a dull and broken story number {number}" for number in range(30)]
PAIRS = [pair for good, bad in zip(GOOD, BAD, strict=True) for pair in ((good, "good"), (bad, "bad"))]
EACH = {"good": 30, "bad": 30}


def saved(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def load(path: Path, domain: object = TEXT, **options: object) -> Data:
    spec = DataSpec(str(path), options={"cache": path.parent / ".cache", **options}, max_bad=0.1)
    return domain.load(spec, None, None)  # type: ignore[attr-defined]


def refusal(path: Path, domain: object = TEXT, **options: object) -> str:
    with pytest.raises(Problem) as caught:
        load(path, domain, **options)
    return str(caught.value)


def read_labels(path: Path, **reading: object) -> dict[str, int]:
    """The labels of a source of texts with their counts; all texts must be the ones of PAIRS."""
    source = open_source(str(path), Reading(**reading))  # type: ignore[arg-type]
    manifest = source.scan(None)
    texts = {content for _, content in source.contents(manifest.samples)}
    assert texts <= {*GOOD, *BAD} and not manifest.bad
    return dict(Counter(sample.label for sample in manifest.samples))


def remarks(path: Path) -> list[str]:
    return open_source(str(path), Reading()).scan(None).remarks


def table(rows: list[tuple[str, ...]], delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in rows)


# --- folders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(
            ("training_set", "train"),
            ("Test Set", "test"),
            ("val2017", "valid"),
            ("dev", "valid"),
            ("trainset", "train"),
        ),
        *(("test-images", "test"), ("cats", None), ("test_tube", None), ("set", None), ("train_test", None)),
    ],
)
def test_a_split_has_many_names(name: str, split: str | None) -> None:
    assert split_name(name) == split


def test_folders_beside_each_other_are_splits_with_a_common_word() -> None:
    assert split_folders(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert split_folders(["test_tube", "bottle"]) == {}


def test_shards_of_a_split_belong_together() -> None:
    assert split_in("train-00001-of-00002.parquet") == ("train", "parquet")
    assert split_in("train-00000-of-00002.parquet") == split_in("train-00001-of-00002.parquet")


@pytest.mark.parametrize(
    "layout",
    [
        ("training_set/{}", "test_set/{}"),
        ("training_set/training_set/{}", "test_set/test_set/{}"),
        ("seg_train/seg_train/{}", "seg_test/seg_test/{}"),
        ("train/images/{}", "test/images/{}"),
        ("data/train/{}", "data/dev/{}"),
    ],
    ids=lambda layout: layout[0],
)
def test_splits_by_another_name_are_taken_as_splits(tmp_path: Path, layout: tuple[str, str]) -> None:
    root = files(tmp_path / "set", *(folder.format(label) for folder in layout for label in ("cats", "dogs")))
    data = loaded(root, tmp_path)
    assert data.labels == ["cats", "dogs"]
    assert counts(data)["test"] == 12 and counts(data)["train"] + counts(data)["valid"] == 12


def test_files_of_a_split_without_labels_are_left_out(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "seg_train/a", "seg_train/b", "seg_test/a", "seg_test/b", "seg_pred/seg_pred")
    data = loaded(root, tmp_path)
    assert data.labels == ["a", "b"] and "left out 6 pictures outside any class folder" in data.remarks


def test_a_class_alone_in_a_split_keeps_its_name() -> None:
    samples, _ = label_by_folder(
        (name, tuple(name.split("/")))
        for name in ("train/a/1.png", "train/b/2.png", "test/a/deep/3.png", "test/a/deep/4.png")
    )
    assert {sample.label for sample in samples} == {"a", "b"}


def test_folders_that_programs_leave_are_left_out_and_counted(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b", "a/@eaDir", "__MACOSX/a", "b/.ipynb_checkpoints", "thumbnails", count=3)
    (root / "a" / "._0.png").write_bytes(png(99))
    data = loaded(root, tmp_path)
    assert data.labels == ["a", "b"] and sum(counts(data).values()) == 6
    (remark,) = [remark for remark in data.remarks if "other programs wrote" in remark]
    assert remark.startswith("left out 13 pictures that other programs wrote: ")
    for place in ("3 in @eaDir", "3 in __MACOSX", "3 in .ipynb_checkpoints", "3 in thumbnails", "1 in ._*"):
        assert place in remark


def test_folders_that_are_all_splits_are_no_labels(tmp_path: Path) -> None:
    message = refused(files(tmp_path / "set", "train", "test"), tmp_path)
    assert "the folders would give the labels test, train, which are names of splits" in message


def test_a_folder_name_in_latin_1_trains_and_reports(tmp_path: Path, command) -> None:
    root = os.fsencode(tmp_path / "set")
    for number, name in enumerate((b"caf\xe9", b"the")):
        try:
            os.makedirs(os.path.join(root, name))
        except OSError:
            pytest.skip("the file system takes no names that are not UTF-8")
        for k in range(12):
            with open(os.path.join(root, name, b"%d\xe9.png" % k), "wb") as file:
                file.write(png(100 * number + k))
    arguments = ["--epochs", 1, "--device", "cpu", "--cache", tmp_path / "cache", "--out", tmp_path / "run"]
    code, out, err = command("train", "vision", tmp_path / "set", "--recipe", "mlp", *arguments)
    assert code == 0, err
    assert "café" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    code, out, err = command("check", "vision", tmp_path / "set", "--json")
    report = json.loads(out)
    assert code == 0 and report["labels"] == {"café": 12, "the": 12}
    assert "the name of the folder b'caf\\xe9' is not UTF-8; read as Windows-1252: café" in report["remarks"]


def listing(root: Path, name: str, rows: list[tuple[str, ...]]) -> None:
    saved(root / name, table([("file", "mood"), *rows]))


def test_folders_that_name_what_lies_in_them_are_no_classes(tmp_path: Path) -> None:
    message = refused(files(tmp_path / "set", "train/images", "train/clips", "test/images", "test/clips"), tmp_path)
    assert "the folders would give the labels clips, images; folders such as clips name what lies in them" in message
    message = refused(files(tmp_path / "pairs", "train/images", "train/masks", "test/images", "test/masks"), tmp_path)
    assert "the index of a class was expected; name the colours in a class table" in message
    root = files(tmp_path / "shop", "images/train", "images/test", "icons")
    assert (
        "label: the names of the folders, 2 values (those of the 2 folders within them are not)"
        in loaded(root, tmp_path).remarks
    )
    listing(root, "test.csv", [(f"images/test/{k}.png", "xy"[k % 2]) for k in range(6)])
    listing(root, "train.csv", [(f"images/train/{k}.png", "xy"[k % 2]) for k in range(6)])
    listing(root, "notes.csv", [(f"nothing {k}", "here") for k in range(6)])
    (root / "icons" / "6.png").write_bytes(png(77))  # the set has changed: its cache is not used
    assert f"train.csv lists these pictures: name it as the data, {root}/train.csv" in refused(root, tmp_path)


def test_one_folder_of_pictures_names_the_table_beside_it(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "photos", count=20)
    listing(root, "moods.csv", [(f"{k}", "xy"[k % 2]) for k in range(20)])
    message = refused(root, tmp_path)
    assert "holds one class, photos (20 pictures)" in message
    assert f"; moods.csv lists these pictures: name it as the data, {root}/moods.csv" in message


def test_class_folders_are_trained_on_and_the_table_beside_them_is_named(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "cats", "dogs", count=20)
    listing(root, "tags.csv", [(f"cats/{k}.png", "furry|small") for k in range(20)])
    data = loaded(root, tmp_path)
    assert data.labels == ["cats", "dogs"]
    expected = f"tags.csv lists these pictures: name it as the data, {root}/tags.csv, if its columns are the targets"
    assert expected in data.remarks


@pytest.mark.parametrize("cell", ["{}.png", "{}", "elsewhere/{}.png"])
def test_a_table_may_name_files_without_their_folder_or_their_suffix(tmp_path: Path, cell: str) -> None:
    root = files(tmp_path / "set", "photos", count=20)
    saved(root / "t.csv", table([("id", "label"), *((cell.format(k), "xy"[k % 2]) for k in range(20))]))
    data = load(root / "t.csv", VISION)
    assert data.labels == ["x", "y"] and sum(data.counts.values()) == 20 and not data.bad
    assert "t.csv: 20 pictures found by name in folders beside it, not where the table says" in data.remarks
    files(root, "more", count=1)  # 0.png is there twice
    (bad,) = load(root / "t.csv", VISION).bad
    assert bad.reason == f"names {cell.format(0)}, which does not exist"


def test_tables_beside_class_folders_change_nothing(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b")
    listing(root, "notes.csv", [(f"a/{k}.png", "xy"[k % 2]) for k in range(6)])
    assert loaded(root, tmp_path).labels == ["a", "b"]


# --- names of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["wavs", "."])
def test_one_folder_of_recordings_offers_the_pattern_that_parts_them(tmp_path: Path, folder: str) -> None:
    for digit in range(2):
        for take in range(6):
            write(
                tmp_path / "set" / folder / f"{digit}_george_{take}.wav", tone(300) / 2 + hiss(seed=10 * digit + take)
            )
    message = refusal(tmp_path / "set", SPEECH)
    assert "--pattern '{label}_{}_{}' gives 0, 1" in message
    report = SPEECH.check(DataSpec(str(tmp_path / "set"))) if folder != "." else {"problems": [message]}
    assert any("--pattern '{label}_{}_{}'" in problem for problem in report["problems"])


def pets(root: Path, test_names: str = "{}.png") -> Path:
    """Pictures whose names hold their labels, beside a folder for testing."""
    for k in range(12):
        for number, (folder, name) in enumerate(
            (("train", f"cat.{k}.png"), ("train", f"dog.{k}.png"), ("test", test_names))
        ):
            path = root / folder / name.format(k)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(100 * number + k))
    return root


def test_one_folder_of_pictures_offers_the_pattern_that_parts_them(tmp_path: Path) -> None:
    root = pets(tmp_path / "set")
    offer = "if their names hold the label: --pattern '{label}.{}' gives cat, dog"
    assert "holds 24 pictures but no folder per class" in refusal(root / "train", VISION)
    assert offer in refusal(root / "train", VISION)
    message = refusal(root, VISION)
    assert "the folders would give the labels test, train, which are names of splits" in message and offer in message


def test_pictures_are_labelled_by_their_names(tmp_path: Path) -> None:
    root = pets(tmp_path / "set")
    data = load(root, VISION, pattern="{label}.{}")
    assert data.labels == ["cat", "dog"] and sum(data.counts.values()) == 24 and not data.bad
    unused = "left out 12 pictures for testing, whose names do not match --pattern {label}.{}: they have no label"
    assert unused in data.remarks and "label: the part {label} of file names, 2 values" in data.remarks
    again = VISION.load(DataSpec(str(root / "train"), options={"cache": tmp_path}), data.labels, data.preprocessing)
    assert again.labels == data.labels  # a model keeps the pattern, and does without it where no name matches
    folders = files(tmp_path / "folders", "cat", "dog")
    spec = DataSpec(str(folders), options={"cache": tmp_path})
    assert sum(VISION.load(spec, data.labels, data.preprocessing).counts.values()) == 12


def test_a_pattern_keeps_the_splits_of_folders(tmp_path: Path) -> None:
    data = load(pets(tmp_path / "set", "dog.{}.png"), VISION, pattern="{label}.{}")
    assert data.given_splits == {"test"} and data.counts["test"] == 12


def test_a_line_says_that_folders_are_labels(tmp_path: Path) -> None:
    root = files(tmp_path / "set", *(f"{split}/{label}" for split in ("train", "test_set") for label in ("a", "b")))
    assert (
        "label: the names of the folders, 2 values; split: test_set/ for testing, train/ for training"
        in loaded(root, tmp_path).remarks
    )
    assert "label: the names of the folders, 3 values" in loaded(files(tmp_path / "three", *"abc"), tmp_path).remarks


# --- tables: what is read ---------------------------------------------------------------------------------------------


def test_a_header_of_v1_v2_and_empty_columns(tmp_path: Path) -> None:
    rows = [f'{label},"{text}",,,\n' for text, label in PAIRS]
    path = saved(
        tmp_path / "spam.csv", "v1,v2,,,\n" + "".join(rows).replace("number 3", "caf\u00e9 number 3"), "cp1252"
    )
    data = load(path)
    assert data.labels == ["bad", "good"] and sum(data.counts.values()) == 60 and not data.bad
    use = "spam.csv: text: column v2; label: column v1, 2 values; --text-column and --label-column name other columns"
    assert use in data.remarks


def test_a_constant_column_is_no_label_and_a_date_no_text(tmp_path: Path) -> None:
    """Sentiment140 has no header, and is sorted by label."""
    ordered = sorted(PAIRS, key=lambda pair: pair[1])
    rows = [
        f'"{4 * (label == "good")}","{14678 + k}","Mon Apr 06 22:19:{k:02} PDT 2009","NO_QUERY","user{k}","{text}"\n'
        for k, (text, label) in enumerate(ordered)
    ]
    path = saved(tmp_path / "tweets.csv", "".join(rows))
    assert read_labels(path) == {"0": 30, "4": 30}
    assert remarks(path)[0].startswith("tweets.csv: text: column 6; label: column 1, 2 values")


def test_a_label_behind_a_semicolon(tmp_path: Path) -> None:
    for split, part in (("train", PAIRS[:40]), ("val", PAIRS[40:50]), ("test", PAIRS[50:])):
        saved(tmp_path / f"{split}.txt", table([(text.replace("a ", "i "), label) for text, label in part], ";"))
    manifest = open_source(str(tmp_path), Reading()).scan(None)
    assert Counter(sample.label for sample in manifest.samples) == EACH
    assert Counter(sample.split for sample in manifest.samples) == {"train": 40, "valid": 10, "test": 10}
    assert manifest.remarks[0].startswith("test.txt, train.txt, val.txt: text: column 1; label: column 2, 2 values")


def test_few_lines_of_four_labels_behind_a_semicolon(tmp_path: Path) -> None:
    labels = ["joy", "fear", "anger", "sadness"]
    path = saved(tmp_path / "val.txt", table([(f"i {text}", labels[k % 4]) for k, text in enumerate(GOOD[:15])], ";"))
    assert {sample.label for sample in open_source(str(path), Reading()).scan(None).samples} == {*labels}


@pytest.mark.parametrize("line", ["{0};{1}", "__label__{1} {0}", "{1} {0}"])
def test_a_split_of_few_lines_is_judged_with_its_siblings(tmp_path: Path, line: str) -> None:
    labels = ["joy", "fear", "anger", "sadness"]
    pairs = [(f"i {text}", labels[k % 4]) for k, text in enumerate(GOOD)]
    for split, part in (("train", pairs[:24]), ("val", pairs[24:27]), ("test", pairs[27:])):
        saved(tmp_path / f"{split}.txt", "".join(line.format(*pair) + "\n" for pair in part))
    manifest = open_source(str(tmp_path), Reading()).scan(None)
    assert {sample.label for sample in manifest.samples} == {*labels} and not manifest.bad
    assert Counter(sample.split for sample in manifest.samples) == {"train": 24, "valid": 3, "test": 3}


def test_semicolons_within_a_text_stay_in_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.txt", table([(f"{text}; indeed", label) for text, label in PAIRS], ";"))
    source = open_source(str(path), Reading())
    assert {text.endswith("; indeed") for _, text in source.contents(source.scan(None).samples)} == {True}


@pytest.mark.parametrize("line", ["__label__{1}\t{0}", "__label__{1} {0}", "{0} __label__{1}"])
def test_fasttext_labels_stand_behind_a_tab_a_blank_or_the_text(tmp_path: Path, line: str) -> None:
    path = saved(tmp_path / "train.txt", "".join(line.format(*pair) + "\n" for pair in PAIRS))
    assert read_labels(path) == EACH
    assert remarks(path) == ["label: the words that begin with __label__, 2 values; text: the words beside them"]


def test_fasttext_labels_in_lines_say_more_than_names_of_files(tmp_path: Path) -> None:
    for name, part in (("train.txt", PAIRS[:40]), ("other.txt", PAIRS[40:])):
        saved(tmp_path / name, "".join(f"__label__{label} {text}\n" for text, label in part))
    assert read_labels(tmp_path) == EACH


def test_a_file_called_train_is_no_class(tmp_path: Path) -> None:
    for name, texts in (("train.txt", GOOD), ("other.txt", BAD)):
        saved(tmp_path / name, "\n".join(texts))
    message = refusal(tmp_path)
    assert "holds train.txt, which is a split by its name, beside other.txt, which is none; name the data" in message


def test_several_fasttext_labels_are_taken_as_several_labels(tmp_path: Path) -> None:
    lines = [
        f"__label__{label} __label__{'long' if label == 'bad' else 'good'} {text}"
        for k, (text, label) in enumerate(PAIRS)
    ]
    data = load(saved(tmp_path / "train.txt", "\n".join(lines)))
    assert data.target_spec == TargetSpec("multilabel", separator="|")
    remark = (
        "the words that begin with __label__: several labels in 30 of 60 rows, such as 'bad|long', taken as multilabel"
    )
    assert any(text.startswith(remark) for text in data.remarks)


def test_names_of_several_words_are_no_lists_of_labels() -> None:
    colours = dict.fromkeys(["Blue", "White", "Grey", "Black", "Navy Blue", "Off White", "Grey Melange"], 9)
    assert separator_of(colours) is None
    topics = dict.fromkeys(["grain", "wheat", "corn", "grain wheat", "grain corn", "corn wheat"], 9)
    assert separator_of(topics) == " "
    assert separator_of(dict.fromkeys(["Navy Blue|Off White", "Grey"], 9)) == "|"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("arrange", ["array", "records", "columns", "pandas"])
def test_json_in_one_piece(tmp_path: Path, indent: int | None, arrange: str) -> None:
    records = [{"text": text, "label": label} for text, label in PAIRS]
    columns = {name: [record[name] for record in records] for name in ("text", "label")}
    value = {
        "array": records,
        "records": {"version": "1.1", "data": records},
        "columns": columns,
        "pandas": {name: dict(enumerate(cells)) for name, cells in columns.items()},
    }[arrange]
    assert read_labels(saved(tmp_path / "t.json", json.dumps(value, indent=indent))) == EACH


def test_json_that_is_nested_too_deep_or_breaks_off_is_refused(tmp_path: Path) -> None:
    deep = saved(tmp_path / "deep.json", "[" * 100_000)
    assert "deep.json is not JSON, or nested too deep; expected an array of objects, or one in each" in refusal(deep)


def test_doccano_labels_are_lists_of_one(tmp_path: Path) -> None:
    lines = [json.dumps({"id": k, "text": text, "label": [label]}) for k, (text, label) in enumerate(PAIRS)]
    assert read_labels(saved(tmp_path / "export.jsonl", "\n".join(lines))) == EACH


def test_label_studio_choices_are_labels(tmp_path: Path) -> None:
    def task(text: str, label: str) -> dict:
        result = [{"from_name": "sentiment", "type": "choices", "value": {"choices": [label]}}]
        cancelled = {"was_cancelled": True, "result": []}
        return {"id": 1, "data": {"text": text}, "annotations": [cancelled, {"result": result}]}

    assert read_labels(saved(tmp_path / "export.json", json.dumps([task(*pair) for pair in PAIRS]))) == EACH
    short = [{"text": text, "id": 7, "annotator": 1, "sentiment": label} for text, label in PAIRS]
    assert read_labels(saved(tmp_path / "short.json", json.dumps(short))) == EACH


def test_the_only_question_of_label_studio_is_the_label_whatever_its_name(tmp_path: Path) -> None:
    def task(text: str, label: str) -> dict:
        result = [{"from_name": "wie fandest du es", "type": "choices", "value": {"choices": [label]}}]
        return {"id": 1, "data": {"text": text, "page": len(text)}, "annotations": [{"result": result}]}

    path = saved(tmp_path / "export.json", json.dumps([task(*pair) for pair in PAIRS]))
    assert read_labels(path) == EACH
    assert remarks(path) == ["export.json: text: column text; label: column wie fandest du es, 2 values"]
    rows = [
        {"annotation_id": k, "annotator": k % 2 + 1, "created_at": f"{k}", "id": k, "lead_time": k / 7, "mood": label,
         "text": text, "updated_at": f"{k}"}
        for k, (text, label) in enumerate(sorted(PAIRS))
    ]  # fmt: skip
    assert read_labels(saved(tmp_path / "short.json", json.dumps(rows))) == EACH
    cells = [tuple(rows[0]), *(tuple(map(str, row.values())) for row in rows)]
    assert read_labels(saved(tmp_path / "export.csv", table(cells))) == EACH


def test_several_questions_of_label_studio_are_named(tmp_path: Path) -> None:
    def task(text: str, label: str) -> dict:
        results = [{"from_name": name, "value": {"choices": [label]}} for name in ("one", "two")]
        return {"data": {"text": text}, "annotations": [{"result": results}]}

    message = refusal(saved(tmp_path / "export.json", json.dumps([task(*pair) for pair in PAIRS])))
    assert "has the columns text, one, two; none of them is known as a label: name it with --label-column" in message


def test_the_header_of_a_pandas_index(tmp_path: Path) -> None:
    rows = [("", "text", "label"), *((str(k), *pair) for k, pair in enumerate(PAIRS))]
    path = saved(tmp_path / "t.csv", table(rows))
    assert read_labels(path) == EACH
    assert remarks(path) == ["t.csv: text: column text; label: column label, 2 values"]


def test_phrase_and_polarity(tmp_path: Path) -> None:
    assert read_labels(saved(tmp_path / "t.csv", table([("Phrase", "Polarity"), *PAIRS]))) == EACH


def test_names_of_columns_are_known_by_the_cells_below_them(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.csv", table([("Aussage", "Ton"), *PAIRS]))
    assert read_labels(path) == EACH
    assert remarks(path)[0].startswith("t.csv: text: column Aussage; label: column Ton, 2 values; --text-column")


def test_excel_declares_its_delimiter(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.csv", "sep=;\n" + table([("text", "label"), *PAIRS], ";"))
    assert read_labels(path) == EACH
    assert open_source(str(path), Reading()).scan(None).samples[0].name == "t.csv:3"


def test_cells_of_several_lines_in_utf_16_with_tabs(tmp_path: Path) -> None:
    rows = [f'"{text}\n""quoted"" second line"\t{label}' for text, label in PAIRS]
    path = saved(tmp_path / "t.csv", "\r\n".join(["text\tlabel", *rows]), "utf-16")
    source = open_source(str(path), Reading())
    manifest = source.scan(None)
    assert Counter(sample.label for sample in manifest.samples) == EACH and not manifest.bad
    assert next(iter(source.contents(manifest.samples)))[1] == f'{GOOD[0]}\n"quoted" second line'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_a_table_of_pictures_may_be_in_utf_16(tmp_path: Path, encoding: str) -> None:
    rows = [(f"photos/{label}{k}.png", f"{label}é") for label in "xy" for k in range(6)]
    for index, (name, _) in enumerate(rows):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(index))
    path = saved(tmp_path / "list.csv", table([("file", "label"), *rows], ";"), encoding)
    assert load(path, VISION).labels == ["xé", "yé"]


def test_a_backslash_may_escape_a_quote() -> None:
    text = "text,label\n" + '"he said \\"no, thanks\\" and left",bad\n"a path C:\\\\new",good\n' * 5
    cells = [row.cells for row in read_table("t.csv", text.encode()).rows]
    assert cells[1] == ['he said "no, thanks" and left', "bad"] and cells[2] == ["a path C:\\new", "good"]
    assert not detect_dialect('text,label\n"a second\\team",x\n"ends in \\",y\n').escaped


def test_backslash_paths_in_a_table_beside_its_pictures(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "images/cats", "images/dogs", count=8)
    rows = "".join(f"images\\{label}\\{k}.png,{label}\r\n" for label in ("cats", "dogs") for k in range(8))
    data = load(saved(root / "labels.csv", "filename,label\r\n" + rows), VISION)
    assert data.labels == ["cats", "dogs"] and sum(data.counts.values()) == 16 and not data.bad
    assert "labels.csv: path: column filename; label: column label, 2 values" in data.remarks


def test_joined_files_keep_a_byte_order_mark_and_a_header_that_are_left_out(tmp_path: Path) -> None:
    first, second = PAIRS[:30], PAIRS[30:]
    path = saved(tmp_path / "t.csv", "\ufeff" + table(first) + "\ufeff" + table(second))
    assert read_labels(path) == EACH
    assert "t.csv:31 begins with a byte order mark (U+FEFF), which is left out" in remarks(path)
    header = [("text", "label")]
    path = saved(tmp_path / "headers.csv", table(header + first) + "\ufeff" + table(header + second))
    assert read_labels(path) == EACH
    assert "headers.csv: left out 1 repeated header(s), the first in line 32" in remarks(path)


# --- Parquet with the examples in it ----------------------------------------------------------------------------------


def packed(path: Path, encoded: list[bytes], column: str, names: list[str], unlabelled: bool = False) -> None:
    """A Parquet file as Hugging Face datasets writes it."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    values = pyarrow.array([{"bytes": item, "path": None} for item in encoded], kind)
    features = {column: {"_type": column.title()}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    labels = [-1 if unlabelled else k % len(names) for k in range(len(encoded))]
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({column: values, "label": labels}).replace_schema_metadata(metadata), path)


def test_parquet_with_pictures_in_it(tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 6)):
        for shard in range(2):
            encoded = [png(1000 * (split == "test") + 100 * shard + k) for k in range(count)]
            path = tmp_path / "set" / "data" / f"{split}-{shard:05}-of-00002.parquet"
            packed(path, encoded, "image", ["zebra", "ant"])
    data = load(tmp_path / "set", VISION)
    assert data.labels == ["zebra", "ant"]  # in the order of the schema
    assert data.counts["test"] == 12 and data.counts["train"] + data.counts["valid"] == 40
    assert any("picture: column image; label: column label, 2 values" in remark for remark in data.remarks)
    single = load(tmp_path / "set" / "data" / "train-00000-of-00002.parquet", VISION)
    assert sum(single.counts.values()) == 20


def test_a_parquet_test_split_without_labels_is_left_out(tmp_path: Path) -> None:
    packed(tmp_path / "set" / "train.parquet", [png(k) for k in range(30)], "image", ["ant", "bee"])
    packed(
        tmp_path / "set" / "test.parquet", [png(100 + k) for k in range(9)], "image", ["ant", "bee"], unlabelled=True
    )
    data = load(tmp_path / "set", VISION)
    assert sum(data.counts.values()) == 30 and not data.bad and not data.given_splits
    assert "test.parquet: left out, with 9 rows for testing: none of them has a label" in data.remarks
    message = refusal(tmp_path / "set" / "test.parquet", VISION)
    assert "not one of 9 files in" in message and "has no label" in message


def test_parquet_with_recordings_in_it(tmp_path: Path) -> None:
    encoded = []
    for k in range(12):
        write(tmp_path / "one.wav", tone(300 + 300 * (k % 2)) / 2 + hiss(seed=k))
        encoded.append((tmp_path / "one.wav").read_bytes())
    packed(tmp_path / "set" / "train.parquet", encoded, "audio", ["no", "yes"])
    data = load(tmp_path / "set" / "train.parquet", SPEECH)
    assert data.labels == ["no", "yes"] and sum(data.counts.values()) == 12


def test_the_shared_parquet_of_hugging_face_datasets(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    spec = DataSpec(str(shared / "formats" / "hf-parquet" / "sign-digits"), options={"cache": tmp_path})
    data = VISION.load(spec, None, None)
    assert data.counts["test"] == 30 and data.counts["train"] + data.counts["valid"] == 80 and len(data.labels) == 10


def test_parquet_of_texts_has_the_names_of_its_classes(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    features = {"content": {"_type": "Value"}, "mood": {"names": ["good", "bad"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    columns = {"content": [text for text, _ in PAIRS], "mood": [int(label == "bad") for _, label in PAIRS]}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), tmp_path / "t.parquet")
    assert read_labels(tmp_path / "t.parquet") == EACH
    assert load(tmp_path / "t.parquet").labels == ["good", "bad"]


def test_labels_of_many_classes_are_recognised(tmp_path: Path) -> None:
    rows = [(f"words about the topic in sentence {k}", f"topic {k % 150}") for k in range(900)]
    source = open_source(str(saved(tmp_path / "t.csv", table(rows))), Reading())
    assert len({sample.label for sample in source.scan(None).samples}) == 150


# --- tables: what is refused ------------------------------------------------------------------------------------------


def test_one_hot_columns_are_refused(tmp_path: Path) -> None:
    rows = [(f"img_{k}.png", *("01"[k % 3 == label] for label in range(3))) for k in range(36)]
    for k in range(36):
        (tmp_path / f"img_{k}.png").write_bytes(png(k))
    path = saved(tmp_path / "train.csv", table([("image_id", "healthy", "rust", "scab"), *rows]))
    message = refusal(path, VISION)
    assert "the columns healthy, rust, scab hold only 0 and 1, one 1 in each row: a column for each label" in message
    assert "--label-column healthy" in message
    assert load(path, VISION, label_column="healthy").labels == ["0", "1"]


def test_multi_hot_columns_of_texts_are_several_labels(tmp_path: Path) -> None:
    rows = [(str(k), text, str(k % 2), str(int(k % 3 == 0))) for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("id", "comment_text", "toxic", "insult"), *rows]))
    data = load(path)
    assert data.target_spec == TargetSpec("multilabel", ("toxic", "insult"))
    assert data.remarks[0].startswith("t.csv: text: column comment_text; labels: column toxic and column insult")
    assert "value" not in data.remarks[0]


@pytest.mark.parametrize("cell", ["{}|long", "['{}', 'long']", "{}, long", "{};long"])
def test_lists_of_labels_are_taken_as_several_labels(tmp_path: Path, cell: str) -> None:
    labels = [cell.format(label) if k % 5 == 0 else label for k, (_, label) in enumerate(PAIRS)]
    labels[3:6] = "long", "short", cell.format("short")
    rows = [json.dumps({"text": text, "label": label}) for (text, _), label in zip(PAIRS, labels, strict=True)]
    path = saved(tmp_path / "t.jsonl", "\n".join(rows))
    data = load(path)
    assert data.target_spec.task == "multilabel" and data.target_spec.columns == ("label",)
    assert any(
        "rows, such as 'bad" in remark and "taken as multilabel; --task classify" in remark for remark in data.remarks
    )
    spec = DataSpec(str(path), options={"cache": tmp_path / ".cache"}, targets=TargetSpec("classify", ("label",)))
    assert len(TEXT.load(spec, None, None).labels) == 7


def test_folders_that_are_called_lists_of_labels_are_refused(tmp_path: Path) -> None:
    for label in ("good", "bad", "good|bad"):
        for k, text in enumerate(GOOD[:5]):
            saved(tmp_path / "data" / label / f"{k}.txt", f"{text} {label}")
    message = refusal(tmp_path / "data")
    assert "5 texts of 15 have several labels, such as 'good|bad' in the folders; expected one label for" in message
    assert "or take all with --task multilabel" in message


def test_doccano_exports_of_several_labels_are_taken_as_several_labels(tmp_path: Path) -> None:
    labels = [[label, "long"] if k % 5 == 0 else [label] for k, (_, label) in enumerate(PAIRS)]
    rows = [json.dumps({"text": text, "label": label}) for (text, _), label in zip(PAIRS, labels, strict=True)]
    data = load(saved(tmp_path / "multi.jsonl", "\n".join(rows)))
    assert data.target_spec == TargetSpec("multilabel", ("label",), "|")


def test_a_column_of_many_numbers_is_taken_as_numbers_to_predict(tmp_path: Path) -> None:
    rows = [(text, f"{12.5 + k}") for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("text", "rating"), *rows]))
    data = load(path)
    remark = "column rating: 60 different numbers, taken as regress; --task classify says they are classes"
    assert remark in data.remarks and data.target_spec == TargetSpec("regress", ("rating",))
    findings = TEXT.check(DataSpec(str(path)))
    assert remark in findings["remarks"] and findings["task"] == "regress" and findings["labels"] == {}
    assert findings["values"]["rating"]["smallest"] == 12.5 and findings["values"]["rating"]["largest"] == 71.5


def test_one_of_several_columns_of_numbers_is_not_taken_by_itself(tmp_path: Path) -> None:
    rows = [(f"{k % 25 + 0.5}", f"{k % 28 + 0.5}", text) for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("V", "A", "text"), *rows]))
    assert refusal(path) == (
        "t.csv: the columns V, A hold numbers, and none is known as the target; name the one to predict, as in "
        "--label-column V, or several, each with --label-column"
    )
    categories = saved(
        tmp_path / "c.csv",
        table([("V", "A", "Ton", "text"), *((*row[:2], "xy"[k % 2], row[2]) for k, row in enumerate(rows))]),
    )
    assert load(categories).labels == ["x", "y"]


@pytest.mark.parametrize(
    ("targets", "option"),
    [
        (TargetSpec(columns=("price:regress",)), "--label-column price:regress"),
        (TargetSpec(split_column="part"), "--split-column part"),
        (TargetSpec(file_path="{id}.png"), "--image-path {id}.png"),
    ],
)
def test_options_of_tables_are_refused_where_there_is_none(tmp_path: Path, targets: TargetSpec, option: str) -> None:
    root = files(tmp_path / "set", "a", "b")
    listing(root, "notes.csv", [(f"a/{k}.png", "xy"[k % 2]) for k in range(6)])
    lines = saved(tmp_path / "t.txt", "".join(f"{label} {text}\n" for text, label in PAIRS))
    for domain, path, hint in (
        (VISION, root, f"; notes.csv lists these pictures: name it as the data, {root}"),
        (TEXT, lines, ""),
    ):
        spec = DataSpec(str(path), targets=targets, options={"cache": str(tmp_path / "cache")})
        message = f"{option} is for a table, and {path} is none; name a table, or leave it out{hint}"
        with pytest.raises(Problem) as caught:
            domain.load(spec, None, None)
        assert str(caught.value).startswith(message) and message in domain.check(spec)["problems"][0]
    with pytest.raises(Problem, match=f"--text-column body is for a table, and {lines} is none"):
        TEXT.load(DataSpec(str(lines), options={"text_column": "body"}), None, None)
    with pytest.raises(Problem, match="is for tables; the target of a position is its move"):
        neocog.domain("go").check(DataSpec(str(tmp_path), targets=targets))


def test_a_named_task_decides_what_numbers_are(tmp_path: Path) -> None:
    rows = [(text, f"{12.5 + k % 30}") for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("text", "rating"), *rows]))
    spec = DataSpec(str(path), options={"cache": tmp_path / ".cache"}, targets=TargetSpec("classify"))
    data = TEXT.load(spec, None, None)
    assert data.target_spec.task == "classify" and not any("taken as" in remark for remark in data.remarks)
    assert len(data.labels) == 30


def test_numbers_of_rows_are_refused_as_targets_that_nobody_named(tmp_path: Path) -> None:
    rows = [(text, f"{10_000 + 7 * k}") for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("text", "target"), *rows]))
    message = refusal(path)
    assert "column target holds 60 different whole numbers (10000, 10007, 10014, …), none of them twice" in message
    assert "with --task regress: name it with --label-column" in message
    assert load(path, label_column="target").target_spec.task == "regress"


def test_a_column_that_is_half_numbers_is_refused(tmp_path: Path) -> None:
    rows = [(text, f"{12.5 + k}" if k % 3 else "unknown") for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("text", "rating"), *rows]))
    assert (
        "column rating holds numbers in 40 of 60 rows (13.5, 14.5, 16.5, …) and other texts in the others (unknown); "
        "expected one or the other" in refusal(path)
    )


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("12 €", "has '12 €', which is not a number; expected such as 12.5, without a unit and without commas"),
        ("1.234,5", "has '1.234,5', which is not a number"),
        ("nan", "has 'nan', which is not a finite number"),
        ("-inf", "has '-inf', which is not a finite number"),
        ("1e300", "has 1e300, which is larger than 1e+30"),
        ("", "has no label"),
    ],
)
def test_a_cell_that_is_no_number_is_a_bad_row(tmp_path: Path, cell: str, reason: str) -> None:
    rows = [(text, f"{12.5 + k}" if k else cell) for k, (text, _) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.tsv", table([("text", "rating"), *rows], "\t"))
    (bad,) = load(path).bad
    assert bad.file.endswith("t.tsv:2")
    assert bad.reason.startswith(reason)


def test_counts_that_training_does_not_know_may_be_numbers_to_predict(tmp_path: Path) -> None:
    rows = [(text, str(k % 5), "train") for k, (text, _) in enumerate(PAIRS)]
    rows[3] = (rows[3][0], "17", "test")
    path = saved(tmp_path / "t.csv", table([("text", "cells", "split"), *rows]))
    assert (
        "training does not know the label 17 (1 text); it knows 0, 1, 2, 3, 4; if they are numbers to predict, name "
        "the task: --task regress or --label-column NAME:regress; --unknown skip leaves such texts out" in refusal(path)
    )


def test_numbers_that_do_not_differ_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.csv", table([("text", "rating"), *((text, "3") for text, _ in PAIRS)]))
    spec = DataSpec(str(path), options={"cache": tmp_path / ".cache"}, targets=TargetSpec("regress"))
    with pytest.raises(Problem, match="all training examples have the same rating, 3; expected numbers that differ"):
        TEXT.load(spec, None, None)


def test_numbers_of_classes_are_no_quantities() -> None:
    assert not are_quantities([str(k) for k in range(100)])
    assert not are_quantities([str(k + 1) for k in range(1000) if k % 10 != 5])
    assert not are_quantities([str(k / 2) for k in range(11)])
    assert are_quantities([str(1990 + k) for k in range(30)])


def test_labels_that_hardly_recur_are_refused(tmp_path: Path) -> None:
    rows = [(text, f"the user {k}") for k, (text, _) in enumerate(PAIRS)]
    message = refusal(saved(tmp_path / "t.csv", table([("text", "label"), *rows])))
    assert "column label has 60 different labels for 60 texts (the user 0, the user 1, the user 2, …)" in message
    rows = [(str(k), text) for k, (text, _) in enumerate(PAIRS)]
    message = refusal(saved(tmp_path / "u.csv", table([("id", "remark"), *rows])))
    assert "none of the columns id, remark holds values that recur, as labels do" in message


def test_beginnings_of_sentences_are_no_labels(tmp_path: Path) -> None:
    lines = [f"{'im' if k % 3 else 'i'} {text}" for k, (text, _) in enumerate(PAIRS)]
    message = refusal(saved(tmp_path / "t.txt", "\n".join(lines)))
    assert "the first word of each line would give the labels i, im, which begin sentences" in message


def test_a_column_of_splits_is_no_label(tmp_path: Path) -> None:
    rows = [(text, ("train", "test")[k % 2]) for k, (text, _) in enumerate(PAIRS)]
    message = refusal(saved(tmp_path / "t.csv", table([("text", "label"), *rows])))
    assert "column label would give the labels test, train, which are names of splits" in message


# --- labels that look alike -------------------------------------------------------------------------------------------


def test_invisible_characters_are_pointed_out_with_their_code_points() -> None:
    counted = dict.fromkeys(
        ("good", "good\u200b", "very\u00a0bad", "very bad", "Cat", "cat", "new\ufeffish", "newish"), 3
    )
    alike = label_remarks(counted, TEXTS)
    assert alike[1].startswith(
        "the labels 'good' and 'good' (U+200B zero width space at its end) differ only in characters that cannot be "
        "seen and are different classes"
    )
    assert "'new" in alike[2] and "(U+FEFF zero width no-break space as its character 4)" in alike[2]
    assert "'very bad' (U+00A0 no-break space as its character 5) differ only in case or blanks" in alike[3]
    assert alike[0].startswith("the labels 'Cat' and 'cat' differ only in case or blanks and are different classes")


def test_train_and_check_point_out_labels_that_look_alike(tmp_path: Path) -> None:
    rows = [(text, label + ("\u200b" if k < 8 else "")) for k, (text, label) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("text", "label"), *rows]))
    assert any("U+200B" in remark for remark in load(path).remarks)
    assert any("U+200B" in problem for problem in TEXT.check(DataSpec(str(path)))["problems"])
    root = files(tmp_path / "set", "cat", "Cat", "dog")
    assert any("'Cat' and 'cat' differ only in case" in remark for remark in loaded(root, tmp_path).remarks)


def test_blanks_around_labels_are_left_out_and_pointed_out(tmp_path: Path) -> None:
    rows = [(text, label + ("\u00a0" if k < 8 else "")) for k, (text, label) in enumerate(PAIRS)]
    path = saved(tmp_path / "t.csv", table([("text", "label"), *rows]))
    assert read_labels(path) == EACH
    root = files(tmp_path / "set", "cat", "cat ", "dog")
    remark = "folders: the label 'cat' has blanks around it in some places (U+0020), which count as one class"
    assert remark in loaded(root, tmp_path).remarks
    assert "t.csv: the label 'good' has blanks around it in some places (U+00A0), which count as one class" in remarks(
        path
    )


def test_a_label_that_stands_for_none_is_pointed_out() -> None:
    (remark,) = label_remarks({"a": 4, "b": 4, "NaN": 2}, TEXTS)
    assert remark == "the label 'NaN' (2 texts) is a class of its own; leave these texts out if they have no label"


# --- prediction -------------------------------------------------------------------------------------------------------


def test_predict_says_which_column_it_takes(tmp_path: Path) -> None:
    path = saved(tmp_path / "new.csv", table([("id", "review"), *((str(k), text) for k, text in enumerate(GOOD))]))
    rows = table_in(str(path), {"reading": {}}, {})
    assert rows is not None and list(rows.remarks) == [f"{path}: text: column review"]


# --- the parts of the judge -------------------------------------------------------------------------------------------


def test_the_parts_of_the_judge() -> None:
    assert one_label("['good']") == "good" and one_label("[]") == "" and one_label("[good]") == "[good]"
    assert lists_of_labels({"a|b": 1, "a": 2, "b": 1}) == ["a|b"] and not lists_of_labels(
        {"New York, NY": 3, "Rome": 2}
    )
    assert not lists_of_labels(Counter({"bass clarinet": 3, "clarinet": 2, "alto flute": 2, "flute": 1}))
    assert not could_be_labels(["x"] * 20) and could_be_labels(["x", "y"] * 10) and not could_be_labels([""] * 20)
    assert is_header(["name", "age"], [["a", "1"], ["b", "2"], ["c", "3"]])
    assert not is_header(["a film", "1"], [["b film", "1"], ["c film", "2"], ["d film", "1"]])
