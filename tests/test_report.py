"""The report of a run and its figures."""

import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neocog.core import charts, format, metrics, report
from neocog.core.network import Network, parse
from neocog.core.progress import duration
from neocog.core.tasks import Classify, classify_report
from PIL import Image

EVIL = "<script>alert('日本語')</script>"


def history(epochs: int) -> list[dict[str, Any]]:
    return [
        {"epoch": e, "loss": 1 / e, "accuracy": 1 - 0.5 / e, "valid_loss": 0.9 / e, "valid_accuracy": 1 - 0.4 / e}
        for e in range(1, epochs + 1)
    ]


def png(side: int) -> bytes:
    encoded = BytesIO()
    Image.new("L", (side, side)).save(encoded, "PNG")
    return encoded.getvalue()


def width(path: Path) -> int:
    with Image.open(path) as image:
        return image.width


def answers(labels: list[str], examples: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, len(labels), examples)
    chances = rng.dirichlet(np.ones(len(labels)), examples) + 2 * np.eye(len(labels))[targets] * rng.random(
        (examples, 1)
    )
    return Classify(labels).metrics(chances / chances.sum(1, keepdims=True), targets)


def run(labels: list[str], **changes: Any) -> dict[str, Any]:
    network = Network((1, 28, 28), parse(f"conv(8, 3), relu, maxpool(2), flatten, dense({len(labels)})"))
    mistake = {"name": EVIL, "label": labels[0], "predicted": labels[-1], "note": "over 99.9%"}
    return {
        "title": EVIL,
        "domain": "vision",
        "recipe": None,
        "network": str(network),
        "rows": network.to_dict(),
        "settings": {"epochs": 3, "augment": EVIL},
        "labels": labels,
        "counts": {"train": 1000, "valid": 100, "test": 400},
        "data": EVIL,
        "device": EVIL,
        "versions": {"torch": "2"},
        "seconds": 221.4,
        "history": history(3),
        "task": "classify",
        "kept": f"kept epoch 3 of 3: {EVIL}",
        "metrics": answers(labels),
        "scored_on": "test",
        "mistakes": [{**mistake, "picture": png(8), "text": None}, {**mistake, "picture": None, "text": EVIL}],
        "bad": [{"file": EVIL, "reason": EVIL}],
        "remarks": [EVIL],
        "origins": [{"layers": "0 to 3", "text": EVIL, "weights": EVIL, "training": "frozen"}],
        "command": f"neocog train {EVIL}",
        "next": [f"neocog predict {EVIL}"],
    } | changes


def written(tmp_path: Path, labels: list[str], **changes: Any) -> str:
    report.write(tmp_path / "report.html", run(labels, **changes), Classify(labels))
    return (tmp_path / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """The tags of a page, whether they close, and the addresses it asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in ("meta", "br", "img", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("labels", [[EVIL, "b"], [*map(str, range(9)), EVIL], [f"{EVIL}{i}" for i in range(50)]])
def test_user_input_never_becomes_a_tag(tmp_path: Path, labels: list[str]) -> None:
    page = Tags(written(tmp_path, labels))
    assert not page.open
    assert not page.names & {"script", "link", "iframe", "object", "form"}


def test_the_page_loads_no_external_files(tmp_path: Path) -> None:
    html = written(tmp_path, ["a", "b"])
    assert all(address.startswith("data:image/png;base64,") for address in Tags(html).addresses)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)


def test_a_name_that_is_not_unicode_is_shown_with_replacement_characters(tmp_path: Path) -> None:
    assert "caf?.jpg" in written(tmp_path, ["a", "b"], bad=[{"file": "caf\udce9.jpg", "reason": "not a picture"}])


def test_the_headline_counts_the_correct_test_examples() -> None:
    scores = answers(["cat", "dog"])
    right = round(scores["accuracy"] * 400)
    text = " ".join(classify_report.summary(scores | {"scored_on": "test"}))
    assert f"{right} of 400 test examples are classified correctly" in text
    assert "the most frequent label" in text
    assert "test split" not in text


@pytest.mark.parametrize(("split", "words"), [("valid", "are optimistic"), ("train", "say little about new ones")])
def test_the_headline_names_a_split_other_than_test(split: str, words: str) -> None:
    assert words in " ".join(classify_report.summary(answers(["cat", "dog"]) | {"scored_on": split}))


def test_labels_are_sorted_worst_first_and_absent_last() -> None:
    table = np.array([[9, 1, 0], [4, 6, 0], [0, 0, 0]])
    rows = classify_report.worst_first(metrics.classes(table, ["good", "bad", "absent"]), table.tolist())
    assert [row["label"] for row in rows] == ["bad", "good", "absent"]
    assert (rows[0]["confused_with"], rows[0]["errors"], rows[2]["confused_with"]) == ("good", 4, None)


def test_the_commonest_mistakes() -> None:
    first, second = classify_report.confusions([[9, 1], [4, 6]], ["a", "b"])
    assert first == {"label": "b", "predicted": "a", "count": 4, "share": 0.4}
    assert (second["label"], second["predicted"]) == ("a", "b")


@pytest.mark.parametrize(
    "epochs",
    [[], history(1), history(30), [{"epoch": 1, "loss": float("nan"), "accuracy": 0.5}], [*history(2), {"epoch": 3}]],
)
def test_any_history_can_be_drawn(tmp_path: Path, epochs: list[dict[str, Any]]) -> None:
    assert not re.search(r"\b(nan|inf)\b", written(tmp_path, ["x", "y"], history=epochs))
    charts.save_curves(epochs, Classify.charts, tmp_path / "curves.png")
    assert width(tmp_path / "curves.png") > 500


def test_a_curve_is_a_picture_for_any_history() -> None:
    for epochs in ([], history(1), history(30)):
        with Image.open(BytesIO(charts.curve_png(epochs, Classify.charts[1]))) as image:
            assert image.width > 500


@pytest.mark.parametrize(("seconds", "text"), [(3.21, "3 s"), (221.4, "3 min 41 s"), (7260, "2 h 1 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_probability_is_never_rounded_to_certainty() -> None:
    assert format.probability(1.0) == "over 99.9%"
    assert format.probability(0.9321) == "93.2%"


@pytest.mark.parametrize("labels", [["日本語", "$\\frac{x}$ ไทย 🐱"], ["one"], [f"label {i}" for i in range(70)]])
def test_confusion_figures_take_any_label_without_a_warning(tmp_path: Path, labels: list[str]) -> None:
    charts.save_confusion((np.eye(len(labels), dtype=int) * 7).tolist(), labels, tmp_path / "confusion.png")
    assert width(tmp_path / "confusion.png") > 300


def test_names_are_thinned_and_shortened() -> None:
    assert [charts.name_stride(n) for n in (1, 60, 61, 1000)] == [1, 1, 2, 17]
    assert charts.shorten(["a\nb", "x" * 40], most=5) == ["a b", "xxxx…"]


def test_accuracy_by_group_has_a_section_if_there_are_groups(tmp_path: Path):
    assert "Accuracy by group" not in written(tmp_path, ["a", "b"])
    groups = {"phase": [{"group": "moves 1 to 50", "accuracy": 0.4321, "examples": 12345}]}
    html = written(tmp_path, ["a", "b"], metrics=answers(["a", "b"]) | {"groups": groups})
    assert "Accuracy by group" in html and "moves 1 to 50" in html and "43.2%" in html and "12,345" in html


def test_the_page_shows_explanations_if_there_are_any(tmp_path: Path) -> None:
    answer = {"name": EVIL, "label": "a", "predicted": "b", "note": "90.0%", "picture": png(8)}
    looks = {"filters": png(100), "answers": [answer]}
    html = written(tmp_path, ["a", "b"], looks=looks)
    assert "What the predictions depend on" in html and "The filters of the first layer" in html
    assert not Tags(html).names & {"script"}
    assert "What the predictions depend on" not in written(tmp_path, ["a", "b"])
