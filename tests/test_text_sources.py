"""Every format of a set of texts is detected; problems are reported with file and line."""

import io
import json
import tarfile
import zipfile
from collections import Counter

import pytest
from neocog.core.data import DataSpec
from neocog.core.problem import Problem
from neocog.core.sources import archive as archives
from neocog.core.sources.archive import ArchiveFiles
from neocog.text import DOMAIN
from neocog.text.options import Reading
from neocog.text.sources import open_source

GOOD = [f"a fine film number {i}" for i in range(10)]
BAD = [f"a dull film number {i}" for i in range(10)]


def write(path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def listed(path, **reading):
    """The manifest of a source, and its texts by name."""
    source = open_source(str(path), Reading(**reading))
    manifest = source.scan(None)
    return manifest, {manifest.samples[index].name: content for index, content in source.contents(manifest.samples)}


def counts(path, **reading) -> dict:
    return dict(Counter((sample.split, sample.label) for sample in listed(path, **reading)[0].samples))


def rows(*cells, delimiter=",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in cells)


TWO = {(None, "good"): 10, (None, "bad"): 10}
LABELLED = [(label, text) for label, texts in (("good", GOOD), ("bad", BAD)) for text in texts]


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_with_a_header_in_any_delimiter(tmp_path, delimiter):
    table = rows(("text", "label"), *((text, label) for label, text in LABELLED), delimiter=delimiter)
    assert counts(write(tmp_path / "t.csv", table)) == TWO


def test_columns_without_a_header_are_guessed_with_a_remark(tmp_path):
    path = write(tmp_path / "t.csv", rows(*(("0" if label == "bad" else "1", text) for label, text in LABELLED)))
    manifest, _ = listed(path)
    assert Counter(sample.label for sample in manifest.samples) == {"0": 10, "1": 10}
    assert manifest.remarks == [
        "t.csv: text: column 2; label: column 1, 2 values; --text-column and --label-column name other columns"
    ]


def test_several_columns_of_text_are_joined(tmp_path):
    path = write(tmp_path / "t.csv", rows(("title", "body", "stars"), ("One", "two, three".replace(",", ""), "5")))
    _, texts = listed(path)
    assert list(texts.values()) == ["One\ntwo three"]
    _, texts = listed(path, text_column=("body",))
    assert list(texts.values()) == ["two three"]


def test_columns_may_be_named_by_their_numbers(tmp_path):
    path = write(tmp_path / "t.csv", rows(("7", "a first text", "x"), ("8", "a second text", "y")))
    manifest, texts = listed(path, text_column=("2",), label_columns=("3",))
    assert [sample.label for sample in manifest.samples] == ["x", "y"] and "a first text" in texts.values()


def test_quotes_keep_delimiters_and_line_ends_in_a_text(tmp_path):
    path = write(tmp_path / "t.csv", 'text,label\n"one, ""two""\nthree",x\nfour,y\n')
    manifest, texts = listed(path)
    assert texts == {"t.csv:2": 'one, "two"\nthree', "t.csv:4": "four"}
    assert [sample.label for sample in manifest.samples] == ["x", "y"]


def test_in_a_table_with_tabs_a_quote_may_be_a_character(tmp_path):
    path = write(tmp_path / "SMS", 'ham\t"Hello, he said\nspam\tWIN now\nham\tok "then"\n')
    manifest, texts = listed(path)
    assert texts["SMS:1"] == '"Hello, he said' and len(manifest.samples) == 3


def test_a_split_column_decides_the_splits(tmp_path):
    table = rows(("text", "label", "split"), ("a b", "x", "train"), ("c d", "y", "dev"), ("e f", "x", "test"))
    manifest, _ = listed(write(tmp_path / "t.csv", table.replace("dev", "val")))
    assert [sample.split for sample in manifest.samples] == ["train", "valid", "test"]


def test_json_lines(tmp_path):
    lines = [json.dumps({"id": i, "Text": text, "label": label}) for i, (label, text) in enumerate(LABELLED)]
    assert counts(write(tmp_path / "t.jsonl", "\n".join(lines))) == TWO


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"text": [text for _, text in LABELLED], "label": [label for label, _ in LABELLED]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert counts(tmp_path / "t.parquet") == TWO


def test_a_folder_of_texts_per_class(tmp_path):
    for i, (label, text) in enumerate(LABELLED):
        write(tmp_path / "set" / label / f"{i}.txt", text)
    assert counts(tmp_path / "set") == TWO


def test_files_beside_the_class_folders_are_ignored(tmp_path):
    """The official IMDB set has lists of addresses beside its class folders."""
    for split in ("train", "test"):
        for i, (label, text) in enumerate(LABELLED):
            write(tmp_path / "imdb" / split / label / f"{i}.txt", text)
        write(tmp_path / "imdb" / split / "urls_pos.txt", "http://…")
    write(tmp_path / "imdb" / "README.txt", "about")
    assert counts(tmp_path / "imdb") == {(p, label): 10 for p in ("train", "test") for label in ("good", "bad")}


@pytest.mark.parametrize("names", [("rt.good", "rt.bad"), ("good.txt", "bad.txt")])
def test_a_file_of_lines_per_class(tmp_path, names):
    for name, texts in zip(names, (GOOD, BAD), strict=True):
        write(tmp_path / "mr" / name, "\n".join(texts) + "\n\n")
    write(tmp_path / "mr" / "README.md", "about it")
    assert counts(tmp_path / "mr") == TWO


def test_label_text_lines_with_splits_in_the_file_names(tmp_path):
    for split in ("train", "dev", "test"):
        write(tmp_path / "sst" / f"stsa.binary.{split}", "".join(f"{label} {text}\n" for label, text in LABELLED))
    expected = {(p, label): 10 for p in ("train", "valid", "test") for label in ("good", "bad")}
    assert counts(tmp_path / "sst") == expected
    assert counts(tmp_path / "sst" / "stsa.binary") == expected
    assert counts(tmp_path / "sst" / "stsa.binary.train") == TWO


def test_fasttext_files(tmp_path):
    lines = "".join(f"__label__{label} {text}\n" for label, text in LABELLED)
    assert counts(write(tmp_path / "t.txt", lines)) == TWO


def test_labels_of_two_levels(tmp_path):
    lines = ["DESC:manner How ?", "DESC:def What ?", "NUM:date When ?", "NUM:dist How far ?"] * 6
    path = write(tmp_path / "TREC.train", "\n".join(lines))
    assert counts(path) == {(None, "DESC"): 12, (None, "NUM"): 12}
    assert listed(path)[0].remarks == [
        "TREC.train: labels have two levels, such as DESC:manner; the coarse one, DESC, is used (or --label-level "
        "fine)",
        "label: the first word of each line, 2 values; text: the words behind it",
    ]
    assert len(counts(path, label_level="fine")) == 4 and len(listed(path, label_level="fine")[0].remarks) == 1


def test_numeric_labels_get_the_names_of_a_file_beside_them(tmp_path):
    write(tmp_path / "ag" / "ag.csv", rows(*(("12"[label == "bad"], text) for label, text in LABELLED)))
    write(tmp_path / "ag" / "classes.txt", "good\nbad\n")
    assert counts(tmp_path / "ag") == TWO
    remarks = open_source(str(tmp_path / "ag"), Reading()).scan(None).remarks
    assert "classes.txt: the names of the labels, which are numbers from 1 on" in remarks


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
@pytest.mark.parametrize("inside", ["folders", "lines", "table"])
def test_archives_of_every_format(tmp_path, form, inside):
    root = tmp_path / "set"
    if inside == "folders":
        for i, (label, text) in enumerate(LABELLED):
            write(root / label / f"{i}.txt", text)
    elif inside == "lines":
        write(root / "good.txt", "\n".join(GOOD)), write(root / "bad.txt", "\n".join(BAD))
    else:
        write(root / "t.csv", rows(("label", "text"), *LABELLED))
    path = tmp_path / f"set.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(root.rglob("*.*")):
                archive.write(file, file.relative_to(tmp_path))
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(root, "set")
    assert counts(path) == TWO


@pytest.mark.parametrize("kept", [0, 40, 1 << 20])
def test_an_archive_gives_the_same_files_for_every_memory_limit(tmp_path, monkeypatch, kept):
    """Each file once, the first of two with one name, the selected ones only, and again on a second read."""
    monkeypatch.setattr(archives, "KEPT", kept)
    contents = {"a/1.txt": b"x" * 30, "a/2.txt": b"y" * 30, "b/3.txt": b"z" * 50}
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        for name, content in [*contents.items(), ("a/1.txt", b"again")]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    packed = ArchiveFiles(str(tmp_path / "set.tar.gz"))
    assert packed.names == list(contents)
    assert sum(map(len, packed.kept.values())) <= kept + 30
    for wanted in (["b/3.txt", "a/1.txt"], ["a/1.txt", "a/2.txt"]):
        assert dict(packed.read(wanted)) == {name: contents[name] for name in wanted}


# --- errors ----------------------------------------------------------------------------------------------------------


def bad(path, **reading) -> list[str]:
    return [f"{entry.file} {entry.reason}" for entry in listed(path, **reading)[0].bad]


def refused(path, **reading) -> str:
    with pytest.raises(Problem) as caught:
        listed(path, **reading)
    return str(caught.value).replace(str(path.parent), "D")


def test_a_ragged_row_is_skipped_with_its_line(tmp_path):
    path = write(tmp_path / "t.csv", "text,label\nfine words,x\nodd, one, more,y\nother words,y\n")
    assert bad(path) == ["t.csv:3 has 4 columns, the others have 2: 'odd | one | more | y'"]
    assert len(listed(path)[0].samples) == 2


def test_an_unclosed_quote_skips_only_its_line(tmp_path):
    lines = [f"words {i},{'xy'[i % 2]}" for i in range(3000)]
    lines[10] = '"words that never end,x'
    path = write(tmp_path / "t.csv", "text,label\n" + "\n".join(lines) + "\n")
    manifest, _ = listed(path)
    assert len(manifest.samples) == 2999
    assert bad(path) == ["t.csv:12 opens a quote that is not closed: '\"words that never end,x'"]


def test_an_unclosed_quote_near_the_end_is_found_too(tmp_path):
    path = write(tmp_path / "t.csv", 'text,label\none two,x\n"three four,y\nfive six,x\n')
    assert bad(path) == ["t.csv:3 opens a quote that is not closed: '\"three four,y'"]
    assert [sample.name for sample in listed(path)[0].samples] == ["t.csv:2", "t.csv:4"]


def test_a_missing_column_suggests_a_similar_one(tmp_path):
    path = write(tmp_path / "t.csv", rows(("review", "sentiment"), ("a b", "x"), ("c d", "y")))
    assert refused(path, label_columns=("sentimet",)) == (
        "--label-column sentimet is not a column of t.csv (did you mean sentiment?); it has the columns review, "
        "sentiment; a number from 1 to 2 works too"
    )


def test_a_missing_field_suggests_a_similar_one(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"review": "a b", "mood": "x"}\n')
    assert refused(path) == (
        "t.jsonl:1 has the columns review, mood; none of them is known as a label: name it with --label-column"
    )
    assert refused(path, label_columns=("mod",)) == (
        "--label-column mod is not a column of t.jsonl (did you mean mood?); it has the columns review, mood; "
        "a number from 1 to 2 works too"
    )


def test_a_line_that_is_not_json_is_quoted(tmp_path):
    path = write(
        tmp_path / "t.jsonl", '{"text": "a", "label": "x"}\n{"text": broken\n[1]\n{"text": "b", "label": "y"}\n'
    )
    contents = bad(path)
    assert contents[0].startswith("t.jsonl:2 is not JSON (Expecting value") and contents[0].endswith(
        "'{\"text\": broken'"
    )
    assert contents[1] == "t.jsonl:3 is list, not an object of fields: '[1]'"


def test_one_column_is_not_a_text_and_a_label(tmp_path):
    assert refused(write(tmp_path / "t.csv", "only text\nand more\n")) == (
        "t.csv:1 has one column: 'only text'; expected a text and a label, divided by a comma, tab, semicolon or bar"
    )


def test_json_of_one_field_is_not_a_text_and_a_label(tmp_path):
    assert refused(write(tmp_path / "t.jsonl", '{"image": "1.png"}\n')) == (
        "t.jsonl:1 has one column: 'image'; expected a text and a label, each in a column of its own"
    )


def test_lines_without_labels_are_refused_with_the_first_of_them(tmp_path):
    path = write(tmp_path / "t.txt", "\n".join(f"word{i} another line of text" for i in range(40)))
    assert refused(path) == (
        "t.txt:1 begins with no label: 'word0 another line of text'; expected lines as `spam Free entry`, a table with "
        "a column of labels, or a file of lines per class"
    )


def test_a_label_without_a_text_is_skipped(tmp_path):
    path = write(tmp_path / "t.txt", "x one two\ny\nx three\ny four\n")
    assert bad(path) == ["t.txt:2 has a label and no text: 'y'"]


def test_an_empty_text_or_label_is_skipped_with_its_line(tmp_path):
    path = write(tmp_path / "t.csv", rows(("text", "label"), (" ", "x"), ("words", ""), ("more", "y")))
    assert bad(path) == ["t.csv:2 has no text: '| x'", "t.csv:3 has no label: 'words |'"]


def test_an_unknown_split_is_skipped(tmp_path):
    path = write(tmp_path / "t.csv", rows(("text", "label", "split"), ("a", "x", "trian"), ("b", "y", "test")))
    assert bad(path) == ["t.csv:2 has the split 'trian'; expected train, valid or test"]


def test_two_sets_in_a_folder_are_ambiguous(tmp_path):
    for name in ("fine.train", "fine.test", "binary.train", "binary.test"):
        write(tmp_path / "sst" / name, "x a\ny b\n")
    assert refused(tmp_path / "sst").endswith("holds 2 sets, binary and fine; name one of them: D/sst/binary")


def test_two_tables_in_a_folder_are_ambiguous(tmp_path):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / "set" / name, "text,label\na,x\n")
    assert refused(tmp_path / "set").endswith("holds 2 tables, a.csv, b.csv; name the one that is meant")


def test_a_path_that_does_not_exist(tmp_path):
    write(tmp_path / "reviews.csv", "text,label\n")
    assert refused(tmp_path / "review.csv").endswith("review.csv does not exist (did you mean reviews.csv?)")


def test_recordings_and_pictures_beside_texts_are_no_texts(tmp_path):
    for name, content in (("pos.txt", "fine\n" * 9), ("neg.txt", "bad\n" * 9), ("pos.ogg", "OggS"), ("a.png", "PNG")):
        (tmp_path / name).write_text(content)
    assert set(counts(tmp_path)) == {(None, "pos"), (None, "neg")}
    for name in ("pos.txt", "neg.txt"):
        (tmp_path / name).unlink()
    assert "holds nothing that texts could be in" in refused(tmp_path)


def test_an_empty_folder_and_an_empty_table(tmp_path):
    (tmp_path / "none").mkdir()
    assert "holds nothing that texts could be in; expected a CSV" in refused(tmp_path / "none")
    assert refused(write(tmp_path / "t.csv", "\n\n")) == "t.csv is empty; expected rows of text and label"


def test_a_folder_with_nothing_but_an_archive_names_it(tmp_path):
    write(tmp_path / "set" / "README.md", "what it is")
    (tmp_path / "set" / "texts.tar.gz").write_bytes(b"\x1f\x8b")
    hint = "; it holds the archive texts.tar.gz: name it as the data, D/set/texts.tar.gz"
    assert refused(tmp_path / "set").endswith(hint)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_split_may_be_called_dev(tmp_path, name):
    rows = [("a", "x", "train"), ("b", "y", "train"), ("c", "x", "dev"), ("d", "y", "test")]
    table = "text,label,split\n" + "".join(f"{','.join(row)}\n" for row in rows)
    lines = "".join(json.dumps(dict(zip(("text", "label", "split"), row, strict=True))) + "\n" for row in rows)
    path = write(tmp_path / name, table if name.endswith("csv") else lines)
    assert not bad(path)


def test_a_damaged_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    assert "t.parquet is not a Parquet file that can be read" in refused(write(tmp_path / "t.parquet", "PAR1 no"))


def test_no_file_is_a_set_without_a_label_for_the_domain(tmp_path):
    with pytest.raises(Problem, match="does not exist"):
        DOMAIN.load(DataSpec(str(tmp_path / "nothing.csv")), None, None)
