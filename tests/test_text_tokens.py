"""Tokens cover what they should, know their places, and become ids and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.text.spelling import ALIKE, NEARBY, Beginnings, alike
from neocog.text.tokens import CUTS, PLAIN, WORDS, placed, strings
from neocog.text.vocabulary import FIRST, UNKNOWN, Interned, Vocabulary

CUT = [
    ("It's a movie, isn't it?", ["it's", "a", "movie", ",", "isn't", "it", "?"]),
    ("l’été à Köln", ["l’été", "à", "köln"]),
    ("10 of 3.5", ["10", "of", "3", ".", "5"]),
    ("good<br />bad", ["good", "bad"]),
    ("мир 世界 שלום", ["мир", "世界", "שלום"]),
    ("e\u0301tude", ["e\u0301tude"]),  # é as two code points
    ("so 👩‍👧 👍🏽!", ["so", "👩‍👧", "👍🏽", "!"]),
    (" \t\n", []),
]


@pytest.mark.parametrize(("text", "words"), CUT, ids=[row[0][:12] for row in CUT])
def test_words_are_those_of_people(text, words):
    assert strings(text, "words", lower=True) == words


def test_case_is_kept_where_it_is_asked_for():
    assert strings("Ab İstanbul", "words", lower=False) == ["Ab", "İstanbul"]


@pytest.mark.parametrize("kind", CUTS)
@given(text=st.text(max_size=60), lower=st.booleans())
def test_each_token_knows_its_place_in_the_text_as_it_was(kind, text, lower):
    tokens = placed(text, kind, lower)
    assert [token.text for token in tokens] == strings(text, kind, lower)
    for token in tokens:
        assert 0 <= token.start < token.end <= len(text)
        if kind == "words" and not lower and "<" not in text:
            assert text[token.start : token.end] == token.text
    starts = [token.start for token in tokens]
    assert starts == sorted(starts)


@given(st.text(st.characters(exclude_categories=["Zs", "Zl", "Zp", "Cc"]), max_size=60).filter(lambda t: "<" not in t))
def test_words_leave_out_nothing_but_blanks(text):
    assert "".join(strings(text, "words", lower=False)) == "".join(text.split())


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_words_of_ascii_alone_are_found_in_another_way_and_are_the_same(text):
    assert PLAIN.findall(text) == WORDS.findall(text)


def test_bytes_are_those_of_utf_8():
    assert strings("é!", "bytes", lower=True) == ["c3", "a9", "21"]
    assert [token[1:] for token in placed("é!", "bytes", lower=True)] == [(0, 1), (0, 1), (1, 2)]


@given(st.lists(st.text(max_size=5), max_size=30))
def test_ids_and_tokens_are_each_others_inverse(tokens):
    vocabulary = Vocabulary(list(dict.fromkeys(tokens)))
    assert vocabulary.words(vocabulary.ids(tokens).tolist()) == tokens


def test_a_token_that_training_has_not_seen_is_unknown():
    assert Vocabulary(["a"]).ids(["a", "b"]).tolist() == [FIRST, UNKNOWN]
    assert Vocabulary(["a"]).words([0, UNKNOWN, FIRST, 0]) == ["▢", "a"]


def test_the_vocabulary_is_that_of_training_the_commonest_first():
    interned = Interned()
    training, other = interned(["b", "a", "a", "c"]), interned(["d", "a", "d", "d"])
    vocabulary, ids = interned.vocabulary([training], min_count=1)
    assert vocabulary.tokens == ["a", "b", "c"]
    assert ids[other].tolist() == [UNKNOWN, FIRST, UNKNOWN, UNKNOWN]
    vocabulary, ids = interned.vocabulary([training], min_count=2)
    assert vocabulary.tokens == ["a"] and ids[training].tolist() == [UNKNOWN, FIRST, FIRST, UNKNOWN]


def test_a_word_that_training_has_not_seen_reads_as_one_that_begins_alike():
    """The nearest by the share of letters, the commonest of equals; happy is not unhappy, and four letters are few."""
    vocabulary = Vocabulary(["happy", "unhappier", "goods", "goody", "filmed", "the", "2001"])
    strange = ["unhappily", "goodx", "filmes", "films", "then", "20012", "HAPPY", "unhappily"]
    known = ["unhappier", "goods", "filmed", "▢", "▢", "▢", "▢", "unhappier"]
    assert vocabulary.words(vocabulary.ids(strange).tolist()) == known


@given(st.lists(st.text("abc", min_size=1, max_size=8), min_size=1), st.text("abc", max_size=8))
def test_no_known_word_begins_more_alike_than_the_one_found(words, word):
    """A slow look at all words agrees, as long as they are few."""
    found = Beginnings(words[:NEARBY]).nearest(word)
    best = max((alike(word, each) for each in words[:NEARBY]), default=0)
    assert best < ALIKE if found is None else alike(word, words[found]) == best >= ALIKE
