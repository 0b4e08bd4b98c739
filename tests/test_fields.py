"""Fields of file names and rows, and conditions on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.problem import Problem
from neocog.core.sources.fields import Condition, Pattern, assign_split
from neocog.core.sources.source import SampleInfo

TAKES = [
    SampleInfo(f"{k}", "a", fields={"label": "a", "speaker": speaker, "take": str(k)})
    for k, speaker in enumerate("xyxyz")
]


@pytest.mark.parametrize(
    ("pattern", "name", "fields"),
    [
        ("{label}_{speaker}_{take}", "7_theo_12.wav", {"label": "7", "speaker": "theo", "take": "12"}),
        ("{label}_{speaker}_{take}", "deep/in/7_theo_12.wav", {"label": "7", "speaker": "theo", "take": "12"}),
        ("{speaker}/{label}/{}", "ann/yes/0001.flac", {"speaker": "ann", "label": "yes"}),
        ("{speaker}-{}-{label}", "ann-x.y-no.wav", {"speaker": "ann", "label": "no"}),
        ("{label}.{take}", "ja.1.wav", {"label": "ja", "take": "1"}),
        ("{label}_{speaker}", "nounderscore.wav", None),
        ("{speaker}/{label}", "yes.wav", None),
        ("{label}_(1)", "yes_(1).wav", {"label": "yes"}),
        ("{label}_x", "yes_xx.wav", None),
    ],
)
def test_a_pattern_reads_fields_from_names(pattern: str, name: str, fields: dict[str, str] | None) -> None:
    assert Pattern(pattern).fields(name) == fields


words = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)


@given(words, words, words)
def test_fields_formatted_by_a_pattern_are_parsed_by_it(label: str, speaker: str, take: str) -> None:
    fields = Pattern("{label}_{speaker}_{take}").fields(f"{label}_{speaker}_{take}.wav")
    assert fields == {"label": label, "speaker": speaker, "take": take}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{speaker}_{take}", "--pattern {speaker}_{take} has no {label}; write one, as in '{label}_{speaker}'"),
        ("{label}_{label}", "--pattern {label}_{label}: {label} occurs twice; every field needs a name of its own"),
        ("{label}_{a b}", "--pattern {label}_{a b}: {a b} is not a name; every field needs a name of its own"),
    ],
)
def test_an_invalid_pattern_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(Problem) as problem:
        Pattern(pattern)
    assert str(problem.value) == message


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("take<2", "01"),
        ("take<=2", "012"),
        ("take > 2", "34"),
        ("take>=4", "4"),
        ("speaker=x", "02"),
        ("speaker = x, z", "024"),
        ("speaker!=x", "134"),
        ("take=3", "3"),
    ],
)
def test_a_condition_chooses(text: str, held: str) -> None:
    samples = assign_split(TAKES, Condition(text, "--test-where"), "test")
    assert "".join(sample.name for sample in samples if sample.split == "test") == held
    assert [sample.split for sample in samples if sample.name not in held] == [None] * (5 - len(held))


def test_no_condition_changes_nothing() -> None:
    assert assign_split(TAKES, None, "test") == TAKES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theo", "--test-where theo is not a condition; expected such as speaker=theo or 'take<5'"),
        (
            "speakr=x",
            "--test-where speakr=x: there is no speakr (did you mean speaker?); there is label, speaker, take",
        ),
        ("speaker<5", "--test-where speaker<5: 'x' is not a number to compare with"),
        ("speaker=w", "--test-where speaker=w holds for none of them; speaker is x, y, z"),
        ("take<9", "--test-where take<9 holds for all of them; take is 0, 1, 2, 3, 4"),
    ],
)
def test_a_condition_that_selects_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(Problem) as problem:
        assign_split(TAKES, Condition(text, "--test-where"), "test")
    assert str(problem.value) == message
