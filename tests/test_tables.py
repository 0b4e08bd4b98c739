"""One reader of tables: pictures, recordings and texts are read from the same formats, encodings and headers."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from neocog.core.data import Data, DataSpec
from neocog.core.problem import DATA, USAGE, Bad, Problem
from neocog.core.sources.columns import TableOptions, paths_to, read_records
from neocog.core.sources.gzipped import unpacked
from neocog.core.sources.jsonl import TOO_DEEP, row_of
from neocog.core.sources.table import read_table
from neocog.core.targets import TargetSpec
from neocog.speech import DOMAIN as SPEECH
from neocog.text import DOMAIN as TEXT
from neocog.vision import DOMAIN as VISION
from neocog.vision.picture import PICTURES
from photos import png
from PIL import Image
from recorded import hiss, tone, write

COUNT = 12
LABELS = ("café", "thé")


def pictures(root: Path) -> list[str]:
    (root / "p").mkdir()
    for k in range(COUNT):
        (root / "p" / f"{k}.png").write_bytes(png(k))
    return [f"p/{k}.png" for k in range(COUNT)]


def recordings(root: Path) -> list[str]:
    for k in range(COUNT):
        write(root / "r" / f"{k}.wav", tone(300 + 300 * (k % 2)) / 2 + hiss(seed=k))
    return [f"r/{k}.wav" for k in range(COUNT)]


def texts(root: Path) -> list[str]:
    return [f"number {k}, in words" for k in range(COUNT)]


DOMAINS = [(VISION, pictures, "image"), (SPEECH, recordings, "path"), (TEXT, texts, "text")]


def delimited(delimiter: str) -> Callable[[list[list[str]]], str]:
    def to_text(rows: list[list[str]]) -> str:
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
        return file.getvalue()

    return to_text


def json_lines(rows: list[list[str]]) -> str:
    return "".join(json.dumps(dict(zip(rows[0], row, strict=True))) + "\n" for row in rows[1:])


FORMATS = [
    ("t.csv", delimited(","), "utf-8"),
    ("t.csv", delimited(";"), "utf-8-sig"),
    ("t.csv", delimited("|"), "utf-8"),
    ("t.csv", delimited(","), "utf-16"),
    ("t.csv", delimited(","), "utf-16-le"),
    ("t.csv", delimited(","), "cp1252"),
    ("t.tsv", delimited("\t"), "utf-8"),
    ("t.jsonl", json_lines, "utf-8"),
]


def workbook(rows: list[list[str]]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def load(domain: object, path: Path, **options: object) -> Data:
    spec = DataSpec(str(path), options={"cache": path.parent / "cache", **options}, max_bad=0.5)
    return domain.load(spec, None, None)  # type: ignore[attr-defined]


def rows_of(values: list[str], header: list[str]) -> list[list[str]]:
    """Rows with a column that is not read, whose cells hold delimiters, quotes and line ends."""
    notes = ["plain", "a; b, c", 'with "quotes"', "two\nlines"]
    return [header, *([notes[k % 4], value, LABELS[k % 2]] for k, value in enumerate(values))]


@pytest.mark.parametrize(("domain", "make", "column"), DOMAINS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize(("name", "to_text", "encoding"), FORMATS, ids=lambda value: value if value else None)
def test_every_domain_reads_every_format(tmp_path: Path, domain, make, column, name, to_text, encoding) -> None:
    rows = rows_of(make(tmp_path), ["Notes", column.upper(), "Label"])
    if name.endswith(".tsv"):  # quotes are plain characters there
        rows = [[cell.replace('"', "'").replace("\n", " ") for cell in row] for row in rows]
    (tmp_path / name).write_bytes(to_text(rows).encode(encoding))
    data = load(domain, tmp_path / name)
    assert data.labels == list(LABELS) and not data.bad
    assert sum(data.counts.values()) == COUNT


@pytest.mark.parametrize(("domain", "make", "column"), DOMAINS, ids=lambda value: getattr(value, "name", None))
def test_every_domain_reads_parquet(tmp_path: Path, domain, make, column) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    values = make(tmp_path)
    table = pyarrow.table({column: values, "label": [LABELS[k % 2] for k in range(COUNT)]})
    parquet.write_table(table, tmp_path / "t.parquet")
    data = load(domain, tmp_path / "t.parquet")
    assert data.labels == list(LABELS) and sum(data.counts.values()) == COUNT


@pytest.mark.parametrize(("domain", "make", "column"), DOMAINS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv.gz", "t.jsonl.gz", "t.xlsx"])
def test_every_domain_reads_compressed_tables_and_spreadsheets(tmp_path: Path, domain, make, column, name) -> None:
    rows = [[column, "label"], *([value, LABELS[k % 2]] for k, value in enumerate(make(tmp_path)))]
    make_text = {".csv": delimited(","), ".tsv": delimited("\t"), ".jsonl": json_lines}
    if name.endswith(".gz"):
        content = gzip.compress(make_text[Path(name[:-3]).suffix](rows).encode())
    else:
        content = workbook(rows)
    (tmp_path / name).write_bytes(content)
    data = load(domain, tmp_path / name)
    assert data.labels == list(LABELS) and sum(data.counts.values()) == COUNT and not data.bad


def test_compressed_splits_and_lines_are_read_as_their_content(tmp_path: Path) -> None:
    for name in ("train", "test"):
        lines = "".join(f"{LABELS[k % 2]} number {k} in words of {name}\n" for k in range(COUNT))
        (tmp_path / f"set.{name}.gz").write_bytes(gzip.compress(lines.encode()))
    data = load(TEXT, tmp_path)
    assert data.labels == list(LABELS) and data.counts["test"] == COUNT
    for name in ("pos", "neg"):
        (tmp_path / "classes").mkdir(exist_ok=True)
        lines = "".join(f"number {k} in words of {name}\n" for k in range(COUNT))
        (tmp_path / "classes" / f"{name}.txt.gz").write_bytes(gzip.compress(lines.encode()))
    assert load(TEXT, tmp_path / "classes").labels == ["neg", "pos"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"\0" * (1 << 25)), "unpacks to more than 200 times its size, as a decompression bomb does"),
        (gzip.compress(b"text,label\n" * 999)[:-20], "is damaged or breaks off (Compressed file ended before the"),
        (
            b"text,label\na,b\n",
            "is damaged or breaks off (Not a gzipped file (b'te')): copy, download or pack it again",
        ),
    ],
    ids=["bomb", "truncated", "not compressed"],
)
def test_damaged_compressed_tables_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv.gz").write_bytes(content)
    with pytest.raises(Problem) as caught:
        load(TEXT, tmp_path / "t.csv.gz")
    assert f"t.csv.gz {message}" in str(caught.value) and caught.value.code == DATA


def test_a_file_of_many_unpacked_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neocog.core.sources.gzipped.LARGEST_FILE", 1 << 21)
    content = gzip.compress(np.random.default_rng(0).integers(97, 123, 1 << 22, np.uint8).tobytes(), 1)
    with pytest.raises(Problem, match=r"t.csv.gz has 0.0 GB; a file may have"):
        unpacked("t.csv.gz", content)


def test_the_cells_of_a_spreadsheet_are_those_of_its_csv_file(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "empty"
    sheet = book.create_sheet("texts")
    for row in (["text", "count", "when", None], [], ["two\nlines", 3.0, datetime(2024, 5, 6), None], ["é", 0.5, None]):
        sheet.append(row)
    book.create_sheet("notes").append(["about"])
    book.save(tmp_path / "t.xlsx")
    table = read_table("t.xlsx", tmp_path / "t.xlsx")
    rows = [(row.line, row.cells) for row in table.rows if not isinstance(row, Bad)]
    assert rows == [
        (1, ["text", "count", "when"]), (3, ["two\nlines", "3", "2024-05-06T00:00:00"]), (4, ["é", "0.5", ""])
    ]  # fmt: skip
    assert table.remarks == ["t.xlsx: sheet texts is read; left out 1 sheet: notes"]


def test_spreadsheets_that_are_not_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix, kind in ((".ods", "an OpenDocument spreadsheet"), (".xls", "a spreadsheet of Excel 97")):
        (tmp_path / f"t{suffix}").write_bytes(b"PK")
        with pytest.raises(Problem, match=rf"t{suffix} is {kind}, which is not read; save it as CSV .*, or as .xlsx"):
            load(TEXT, tmp_path / f"t{suffix}")
    (tmp_path / "t.xlsx").write_bytes(b"no zip")
    with pytest.raises(Problem, match=r"t.xlsx is not a spreadsheet that can be read \(File is not a zip"):
        load(TEXT, tmp_path / "t.xlsx")
    (tmp_path / "t.xlsx").write_bytes(workbook([["text", "label"]]))
    monkeypatch.setattr("neocog.core.sources.spreadsheet.LARGEST_FILE", 1000)
    with pytest.raises(Problem, match=r"t.xlsx has 0.0 GB; a file may have"):
        load(TEXT, tmp_path / "t.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        Problem, match=r"t.xlsx needs openpyxl: pip install 'neocog\[excel\]'; or save it as CSV"
    ) as caught:
        load(TEXT, tmp_path / "t.xlsx")
    assert caught.value.code == USAGE


@pytest.mark.parametrize(("domain", "make", "column"), DOMAINS, ids=lambda value: getattr(value, "name", None))
def test_every_domain_takes_the_columns_that_are_named(tmp_path: Path, domain, make, column) -> None:
    rows = rows_of(make(tmp_path), ["label", "where", "mood"])
    (tmp_path / "t.csv").write_text(delimited(",")(rows), encoding="utf-8")
    option = "text_column" if domain is TEXT else "path_column"
    data = load(domain, tmp_path / "t.csv", **{option: "where", "label_column": "3"})
    assert data.labels == list(LABELS) and sum(data.counts.values()) == COUNT
    with pytest.raises(Problem, match=r"--label-column moood is not a column of t.csv \(did you mean mood\?\)"):
        load(domain, tmp_path / "t.csv", **{option: "where", "label_column": "moood"})
    with pytest.raises(Problem, match="utf-9 is not an encoding"):
        load(domain, tmp_path / "t.csv", encoding="utf-9")


@pytest.mark.parametrize(("domain", "make", "column"), DOMAINS, ids=lambda value: getattr(value, "name", None))
def test_every_domain_skips_the_same_rows(tmp_path: Path, domain, make, column) -> None:
    values = make(tmp_path)
    lines = [f"{column},label,split", *(f'"{value}",{"xy"[k % 2]},train' for k, value in enumerate(values))]
    lines += [f'"{values[0]}"', f'"{values[0]}",x,trian', f'"{values[0]}",,train', ",x,train", '"never closed,x,train']
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    data = load(domain, tmp_path / "t.csv")
    assert sum(data.counts.values()) == COUNT
    reasons = {bad.file.rsplit("/")[-1]: bad.reason.split(":")[0] for bad in data.bad}
    assert reasons == {
        "t.csv:14": "has 1 column, the others have 3",
        "t.csv:15": "has the split 'trian'; expected train, valid or test",
        "t.csv:16": "has no label",
        "t.csv:17": f"has no {'text' if domain is TEXT else 'path'}",
        "t.csv:18": "opens a quote that is not closed",
    }


def records(text: str, name: str = "t.csv", **options: object) -> list:
    return list(read_records(read_table(name, text.encode()), paths_to(PICTURES), TableOptions(**options)))  # type: ignore[arg-type]


def test_a_first_row_with_a_path_is_no_header_though_its_label_is_called_like_one() -> None:
    assert [(record.value, record.label) for record in records("a.png,y\nb.png,n\n")] == [
        ("a.png", "y"),
        ("b.png", "n"),
    ]


def test_without_a_header_paths_are_known_by_their_endings() -> None:
    assert [(record.value, record.label) for record in records("x,a.png\ny,b.png\n")] == [
        ("a.png", "x"),
        ("b.png", "y"),
    ]


def test_empty_names_in_a_header_are_columns_that_are_not_read() -> None:
    """As pandas and Excel write them: an index in front, empty columns behind."""
    (record,) = records(",path,label,,\n0,a.png,x,,\n")
    assert (record.value, record.label) == ("a.png", "x")


def test_a_column_called_fold_is_a_split_only_if_it_names_splits() -> None:
    (numbered,) = records("path,label,fold\na.png,x,1\n")
    assert numbered.split is None and numbered.fields["fold"] == "1"
    (named,) = records("path,label,fold\na.png,x,test\n")
    assert named.split == "test"


def test_an_empty_cell_names_no_split() -> None:
    (record,) = records("path,label,split\na.png,x,\n")
    assert record.split is None


def test_texts_with_lone_surrogates_are_skipped_and_named(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"words {k}", "label": "xy"[k % 2]}) for k in range(COUNT)]
    (tmp_path / "t.jsonl").write_text("\n".join([*lines, '{"text": "half \\ud83d", "label": "x"}']))
    data = load(TEXT, tmp_path / "t.jsonl")
    assert sum(data.counts.values()) == COUNT
    assert [bad.reason for bad in data.bad] == ["holds surrogates, halves of characters, which are not text"]


def test_labels_and_groups_with_lone_surrogates_are_left_out_and_named(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"words {k}", "label": "xy"[k % 2], "who": "ann"}) for k in range(COUNT)]
    lines += ['{"text": "one", "label": "x\\ud83d", "who": "ann"}', '{"text": "two", "label": "x", "who": "\\udc00"}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    spec = DataSpec(str(tmp_path / "t.jsonl"), group_by="who", options={"cache": tmp_path / "cache"}, max_bad=0.5)
    data = TEXT.load(spec, None, None)
    assert sum(data.counts.values()) == COUNT
    assert [bad.reason for bad in data.bad] == ["holds surrogates, halves of characters, which are not text"] * 2


def test_json_that_is_nested_too_deep_is_left_out_and_named(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"words {k}", "label": "xy"[k % 2]}) for k in range(COUNT)]
    lines.append(f'{{"text": {"[" * 100_000}{"]" * 100_000}, "label": "x"}}')
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    data = load(TEXT, tmp_path / "t.jsonl")
    (bad,) = data.bad
    assert bad.file.endswith("t.jsonl:13") and bad.reason == TOO_DEEP and sum(data.counts.values()) == COUNT
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert row_of("t.jsonl", 7, {"text": nested}, ["text"]) == Bad("t.jsonl:7", TOO_DEEP)


def test_paths_of_a_table_may_be_written_with_backslashes(tmp_path: Path) -> None:
    values = [value.replace("/", "\\") for value in pictures(tmp_path)]
    (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"{v},{'xy'[k % 2]}\n" for k, v in enumerate(values)))
    assert sum(load(VISION, tmp_path / "t.csv").counts.values()) == COUNT


def test_under_an_unknown_name_paths_are_recognised_by_their_endings() -> None:
    (record,) = records("Bild,Ziffer\na.png,7\n", labels=("Ziffer",))
    assert (record.value, record.label) == ("a.png", "7")
    with pytest.raises(Problem, match=r"t.csv:1 has the columns Ort, label; none of them is known as a path: name it"):
        records("Ort,label\na,7\n")


# --- files by a column, and the column of splits


def pictures_by_number(folder, columns="id,fold,price"):
    """Ten grey pictures images/0.png, … and a table with their numbers, folds and prices."""
    (folder / "images").mkdir()
    for k in range(10):
        Image.new("L", (4, 4), 20 * k).save(folder / "images" / f"{k}.png")
    rows = [f"{k},{'test' if k % 3 == 0 else 'train'},{k % 2 + 0.5}" for k in range(10)]
    (folder / "t.csv").write_text("\n".join([columns, *rows]) + "\n")
    return folder / "t.csv"


def load_targets(domain, path, **targets):
    spec = DataSpec(str(path), targets=TargetSpec(**targets), options={"cache": path.parent / "cache"})
    return {"vision": VISION, "text": TEXT}[domain].load(spec, None, None)


def test_the_file_of_a_row_is_made_of_its_columns(tmp_path):
    path = pictures_by_number(tmp_path)
    data = load_targets("vision", path, task="regress", columns=("price",), file_path="images/{id}.png")
    names = [name for split in data.splits.values() for name in split.names]
    assert sorted(name.rpartition("/")[2] for name in names) == [f"{k}.png" for k in range(10)]
    assert data.target_spec.columns == ("price",)


def test_a_named_column_says_the_split(tmp_path):
    path = pictures_by_number(tmp_path, "id,teil,price")
    data = load_targets(
        "vision", path, task="regress", columns=("price",), file_path="images/{id}.png", split_column="teil"
    )
    assert sorted(name.rpartition("/")[2] for name in data.test.names) == ["0.png", "3.png", "6.png", "9.png"]
    message = "--split-column tail is not a column of t.csv"
    with pytest.raises(Problem, match=message):
        load_targets("vision", path, columns=("price",), file_path="images/{id}.png", split_column="tail")


def test_a_file_that_a_row_means_and_that_is_missing_is_named(tmp_path):
    path = pictures_by_number(tmp_path)
    with pytest.raises(Problem, match=r"t.csv:2 names pictures/0.png, which does not exist"):
        load_targets("vision", path, columns=("price",), file_path="pictures/{id}.png")
    with pytest.raises(Problem, match=r"--image-path images/1.png names no column; expected such as"):
        TargetSpec(file_path="images/1.png")
