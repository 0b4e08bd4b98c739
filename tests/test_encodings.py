"""Text files of any encoding are decoded; guesses are reported with their line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.sources.encodings import decode_text

WRITTEN = "Grüße, 世界 👋\nzweite Zeile"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_the_encoding(encoding):
    text, issues = decode_text(WRITTEN.encode(encoding))
    assert text == WRITTEN and issues.sentences("f") == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_detected_by_its_zero_bytes(encoding):
    assert decode_text("a plain text of some words\n".encode(encoding))[0] == "a plain text of some words\n"


def test_lines_that_are_not_utf_8_are_read_as_windows_1252_and_reported():
    content = b"gut\n" + "schön “so”\n".encode("cp1252") + "weiß\n".encode()
    text, issues = decode_text(content)
    assert text == "gut\nschön “so”\nweiß\n"
    assert issues.sentences("a.csv") == ["a.csv:2 is not UTF-8; read as Windows-1252 (or --set encoding=NAME)"]


def test_many_such_lines_are_counted_and_the_first_is_named():
    _, issues = decode_text(b"ok\n\xe9\n\xe8\n")
    assert issues.sentences("f") == [
        "f: 2 lines (the first is 2) are not UTF-8; read as Windows-1252 (or --set encoding=NAME)"
    ]


def test_the_requested_encoding_is_used():
    assert decode_text("naïve".encode("latin-1"), "latin-1")[0] == "naïve"
    text, issues = decode_text(b"ok\n\xff\n", "ascii")
    assert text == "ok\n�\n"
    assert issues.sentences("f") == ["f:2 is not ascii; invalid bytes became �"]


def test_nul_bytes_are_removed_and_reported():
    text, issues = decode_text(b"fine\nbro\0ken words that go on\n")
    assert text == "fine\nbroken words that go on\n"
    assert issues.sentences("f.csv") == ["f.csv:2 has NUL bytes, which are left out"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_ending_is_recognised(end):
    assert decode_text(f"a{end}b{end}".encode())[0] == "a\nb\n"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff")))
def test_utf_8_is_decoded_unchanged(text):
    assert decode_text(text.encode())[0] == text


@given(st.binary(max_size=300))
def test_any_bytes_give_some_text(content):
    decode_text(content)
