"""Tokenisation, positions of tokens, and the vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.text.spelling import MIN_SIMILARITY, NEIGHBOURS, PrefixMatcher, prefix_similarity
from neocog.text.tokens import PLAIN, TOKENIZERS, WORDS, tokenize, tokenize_with_spans
from neocog.text.vocabulary import FIRST, UNKNOWN, Interned, Vocabulary

EXAMPLES = [
    ("It's a movie, isn't it?", ["it's", "a", "movie", ",", "isn't", "it", "?"]),
    ("l’été à Köln", ["l’été", "à", "köln"]),
    ("10 of 3.5", ["10", "of", "3", ".", "5"]),
    ("good<br />bad", ["good", "bad"]),
    ("мир 世界 שלום", ["мир", "世界", "שלום"]),
    ("e\u0301tude", ["e\u0301tude"]),  # é as two code points
    ("so 👩‍👧 👍🏽!", ["so", "👩‍👧", "👍🏽", "!"]),
    (" \t\n", []),
]


@pytest.mark.parametrize(("text", "words"), EXAMPLES, ids=[row[0][:12] for row in EXAMPLES])
def test_texts_are_split_into_words(text, words):
    assert tokenize(text, "words", lower=True) == words


def test_case_is_kept_unless_lower_is_set():
    assert tokenize("Ab İstanbul", "words", lower=False) == ["Ab", "İstanbul"]


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=st.text(max_size=60), lower=st.booleans())
def test_spans_are_positions_in_the_original_text(kind, text, lower):
    tokens = tokenize_with_spans(text, kind, lower)
    assert [token.text for token in tokens] == tokenize(text, kind, lower)
    for token in tokens:
        assert 0 <= token.start < token.end <= len(text)
        if kind == "words" and not lower and "<" not in text:
            assert text[token.start : token.end] == token.text
    starts = [token.start for token in tokens]
    assert starts == sorted(starts)


@given(st.text(st.characters(exclude_categories=["Zs", "Zl", "Zp", "Cc"]), max_size=60).filter(lambda t: "<" not in t))
def test_words_omit_nothing_but_white_space(text):
    assert "".join(tokenize(text, "words", lower=False)) == "".join(text.split())


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_the_pattern_for_ascii_agrees_with_the_general_one(text):
    assert PLAIN.findall(text) == WORDS.findall(text)


def test_bytes_are_utf_8():
    assert tokenize("é!", "bytes", lower=True) == ["c3", "a9", "21"]
    assert [token[1:] for token in tokenize_with_spans("é!", "bytes", lower=True)] == [(0, 1), (0, 1), (1, 2)]


@given(st.lists(st.text(max_size=5), max_size=30))
def test_ids_to_tokens_inverts_tokens_to_ids(tokens):
    vocabulary = Vocabulary(list(dict.fromkeys(tokens)))
    assert vocabulary.words(vocabulary.ids(tokens).tolist()) == tokens


def test_a_token_outside_the_vocabulary_is_unknown():
    assert Vocabulary(["a"]).ids(["a", "b"]).tolist() == [FIRST, UNKNOWN]
    assert Vocabulary(["a"]).words([0, UNKNOWN, FIRST, 0]) == ["▢", "a"]


def test_the_vocabulary_has_the_tokens_of_training_most_frequent_first():
    interned = Interned()
    training, test = interned(["b", "a", "a", "c"]), interned(["d", "a", "d", "d"])
    vocabulary, ids = interned.vocabulary([training], min_count=1)
    assert vocabulary.tokens == ["a", "b", "c"]
    assert ids[test].tolist() == [UNKNOWN, FIRST, UNKNOWN, UNKNOWN]
    vocabulary, ids = interned.vocabulary([training], min_count=2)
    assert vocabulary.tokens == ["a"] and ids[training].tolist() == [UNKNOWN, FIRST, FIRST, UNKNOWN]


def test_an_unknown_word_is_read_as_a_known_one_with_the_same_prefix():
    """The longest shared prefix wins, then the more frequent word; a prefix below four letters does not count."""
    vocabulary = Vocabulary(["happy", "unhappier", "goods", "goody", "filmed", "the", "2001"])
    unknown = ["unhappily", "goodx", "filmes", "films", "then", "20012", "HAPPY", "unhappily"]
    known = ["unhappier", "goods", "filmed", "▢", "▢", "▢", "▢", "unhappier"]
    assert vocabulary.words(vocabulary.ids(unknown).tolist()) == known


@given(st.lists(st.text("abc", min_size=1, max_size=8), min_size=1), st.text("abc", max_size=8))
def test_the_nearest_word_has_the_greatest_similarity(words, word):
    """Compared with all words, if they are few."""
    nearest = PrefixMatcher(words[:NEIGHBOURS]).nearest(word)
    best = max((prefix_similarity(word, candidate) for candidate in words[:NEIGHBOURS]), default=0)
    if nearest is None:
        assert best < MIN_SIMILARITY
    else:
        assert prefix_similarity(word, words[nearest]) == best >= MIN_SIMILARITY
