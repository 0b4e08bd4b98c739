"""Progress on stderr: plain lines into a pipe, a bar on a terminal, nothing with --quiet."""

from types import SimpleNamespace

import pytest
from neocog.core import progress as module
from neocog.core.fit import Begun, EpochEnded, Remark, Step
from neocog.core.progress import LINE_EVERY, Progress, TrainingProgress, duration, pace, progress
from neocog.core.tasks import Classify
from neocog.core.train import Epoch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (12, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0, "0/s"), (1234, "1,234/s"), (1, "1/s"), (0.5, "30.0/min"), (1 / 60, "1.0/min"), (0.01, "36.0/h")],
)
def test_pace(rate, words):
    """Rates below one per second are given per minute or hour."""
    assert pace(rate) == words


def test_a_pipe_gets_plain_lines_with_rate_and_time_left(clock, capsys):
    shown = Progress("reading", "files")
    clock.now += LINE_EVERY
    shown(3000, 12_000)
    clock.now += LINE_EVERY
    shown(9000, 12_000, "2 bad")
    out, err = capsys.readouterr()
    assert err == (
        "reading: 3,000 of 12,000 files, 100/s, 1 min 30 s left\n"
        "reading: 9,000 of 12,000 files, 150/s, 20 s left, 2 bad\n"
    )
    assert out == ""


def test_a_pipe_gets_at_most_one_line_in_30_seconds(clock, capsys):
    """However often the progress is reported; none for shorter work."""
    shown = Progress("reading", "files")
    for second in range(1, 10 * LINE_EVERY):
        clock.now = 1000.0 + second
        shown(second, 300)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"reading: {n * LINE_EVERY} of 300 files, 1/s, {duration(300 - n * LINE_EVERY)} left" for n in range(1, 10)
    ]


def test_without_a_total_there_is_no_time_left(clock, capsys):
    shown = Progress("reading", "files")
    clock.now += 2 * LINE_EVERY
    shown(120, None)
    assert capsys.readouterr().err == "reading: 120 files, 2/s\n"


def test_before_the_first_is_done_there_is_no_time_left(clock, capsys):
    shown = Progress("reading", "files")
    clock.now += LINE_EVERY
    shown(0, 10)
    assert capsys.readouterr().err == "reading: 0 of 10 files, 0/s\n"


def test_a_resumed_count_has_the_rate_since_the_resumption(clock, capsys):
    shown = Progress("training", "examples")
    shown.first = 6000
    clock.now += LINE_EVERY
    shown(9000, 12_000)
    assert capsys.readouterr().err == "training: 9,000 of 12,000 examples, 100/s, 30 s left\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_prints_nothing(terminal, clock, capsys, monkeypatch):
    monkeypatch.setattr(module, "on_terminal", lambda: terminal)
    with progress("reading", "files", quiet=True) as shown:
        for _ in range(10):
            clock.now += LINE_EVERY
            shown(5, 10)
    training = begun(3, 60, quiet=True)
    clock.now += LINE_EVERY
    for event in (Step(1, 4, 3), Remark("slower now"), ended()):
        training(event)
    training.close()
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_removed_even_after_an_exception(clock, monkeypatch):
    monkeypatch.setattr(module, "on_terminal", lambda: True)
    with pytest.raises(ZeroDivisionError), progress("reading", "files") as shown:
        clock.now += 1
        shown(5, 10)
        assert shown.live.live.is_started
        bar = shown.live
        raise ZeroDivisionError
    assert shown.live is None
    assert not bar.live.is_started


def test_a_bar_is_drawn_ten_times_a_second_at_most(clock, monkeypatch):
    monkeypatch.setattr(module, "on_terminal", lambda: True)
    shown, drawn = Progress("reading", "files"), []
    monkeypatch.setattr(shown, "_draw", lambda count, total, text: drawn.append(text))
    for n in range(1, 1001):
        clock.now = 1000 + n / 1000
        shown(n, 1000)
    assert 9 <= len(drawn) <= 10
    assert drawn[0] == "100 of 1,000 files, 1,000/s, 1 s left"


@pytest.mark.parametrize(("tty", "term", "bar"), [(1, "xterm", True), (1, "dumb", False), (0, "xterm", False)])
def test_a_terminal_is_one_that_can_draw(tty, term, bar, monkeypatch):
    monkeypatch.setattr(module.sys, "stderr", SimpleNamespace(isatty=lambda: bool(tty)))
    monkeypatch.setenv("TERM", term)
    assert module.on_terminal() is bar


# --- a training ---------------------------------------------------------------------------------------------------


def begun(epochs: int, examples: int, quiet: bool = False) -> TrainingProgress:
    """The progress of a training after its first event."""
    progress = TrainingProgress(quiet)
    settings = SimpleNamespace(epochs=epochs, epoch_of=lambda count: count)
    training = SimpleNamespace(
        plan=SimpleNamespace(settings=settings),
        task=Classify(["a", "b"]),
        data=SimpleNamespace(train=range(examples)),
    )
    progress(Begun(training))
    return progress


def ended(number: int = 3, valid: dict[str, float] | None = None, seconds: float = 200.0) -> EpochEnded:
    return EpochEnded(Epoch(number, {"loss": 0.12345, "accuracy": 0.975}, valid or {}, 0.1, seconds), kept=True)


def test_an_epoch_is_a_line(clock, capsys):
    progress = begun(10, 60)
    progress(ended(valid={"loss": 0.05, "accuracy": 1.0}))
    progress(ended(10, seconds=4.2))
    assert capsys.readouterr().err == (
        "epoch  3/10  loss 0.1235  acc  97.50%  val_loss 0.0500  val_acc 100.00%  3 min 20 s\n"
        "epoch 10/10  loss 0.1235  acc  97.50%  4 s\n"
    )


def test_a_long_epoch_shows_its_progress(clock, capsys):
    progress = begun(3, 6000)
    for number in range(1, 5):
        clock.now += LINE_EVERY / 2
        progress(Step(number, 4, 3))
    assert capsys.readouterr().err == (
        "epoch 1/3: 3,000 of 18,000 examples, 100/s, 2 min 30 s left\n"
        "epoch 1/3: 6,000 of 18,000 examples, 100/s, 2 min 0 s left\n"
    )


def test_after_the_line_of_an_epoch_comes_none_for_half_a_minute(clock, capsys):
    progress = begun(3, 6000)
    clock.now += LINE_EVERY - 1
    progress(ended(1))
    clock.now += LINE_EVERY - 1
    progress(Step(5, 4, 3))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_remark_is_a_line(clock, capsys):
    progress = begun(3, 6000)
    progress(Remark("out of memory: halved"))
    assert capsys.readouterr().err == "out of memory: halved\n"


def test_the_time_of_a_long_training_is_estimated_once_in_its_first_lines(clock, capsys):
    """100 steps of 2 seconds; the fourth is the first from which three are measured."""
    shown = TrainingProgress()
    shown.examples, shown.epochs = 10, 10
    for number in range(1, 9):
        shown._step(number, 10)
        clock.now += 2
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("about")] == [
        "about 3 min 12 s for 10 epochs"
    ]
