"""A network as torch runs it: its words in order, and in training in the order and to the extent that cost least.

What training computes is what is written: the same numbers, and the same gradients (tests). In evaluation mode every
word gets all of what the one before it gave, for whoever looks on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from .largest import fits, largest
from .modules import GlobalMax

ALONE = nn.ReLU | nn.ReLU6 | nn.LeakyReLU | nn.ELU | nn.Sigmoid | nn.Tanh | nn.GELU  # each number from one number

Word = nn.Module | Callable[[Tensor], Tensor]  # a module, or what stands for several
Window = tuple[int, int]  # span and stride along an axis


class Sequential(nn.Sequential):
    """One module a word, in order."""

    def forward(self, x: Tensor) -> Tensor:
        words: list[Word] = quicker(list(self)) if self.training else list(self)
        for at, word in enumerate(words):
            if self.training and x.device.type == "cpu":
                x = trimmed(words[at:], x)
            x = word(x)
        return x


def quicker(words: list[Word]) -> list[Word]:
    """Words that give the same numbers and gradients with less work.

    A max-pool goes before the activation in front of it, which then has a quarter of the numbers to look at. An
    activation never falls where its input rises, so that the largest of its values is the value of the largest. A
    convolution and the maximum over its whole maps become one (core/largest.py).
    """
    for at in range(len(words) - 1):
        if rises(words[at]) and isinstance(words[at + 1], nn.MaxPool2d | GlobalMax):
            words[at : at + 2] = words[at + 1], words[at]
    for at in reversed(range(len(words) - 1)):
        conv = words[at]
        if fits(conv) and isinstance(words[at + 1], GlobalMax):
            words[at : at + 2] = [partial(largest, conv)]
    return words


def rises(module: Word) -> bool:
    """Whether a module is an activation of each number alone that never falls."""
    if isinstance(module, nn.LeakyReLU):
        return module.negative_slope >= 0
    if isinstance(module, nn.ELU):
        return module.alpha >= 0
    return isinstance(module, nn.ReLU | nn.ReLU6 | nn.Sigmoid | nn.Tanh)


def trimmed(words: Sequence[Word], x: Tensor) -> Tensor:
    """(B, C, H, W) without the last rows and columns that a convolution `words[0]` would turn into what nobody sees.

    A pool of 2 leaves the last of 11 rows unseen; of 10 rows it gives the same, for a sixth less work. Where there is
    padding, a copy with less of it on one side would cost what is won.
    """
    if type(words[0]) is not nn.Conv2d:
        return x
    for axis in (0, 1):
        if (window := reach(words[0], axis)) is None:
            return x
        made = passes(window, x.shape[2 + axis])
        if (seen := needed(words[1:], axis, made)) < made:
            x = x.narrow(2 + axis, 0, covered(window, seen))
    return x


def needed(words: Sequence[Word], axis: int, length: int) -> int:
    """How many of `length` rows (axis 0) or columns (1) in front of `words` they look at, from the first on."""
    if not words or (window := reach(words[0], axis)) is None or length < window[0]:
        return length
    return covered(window, needed(words[1:], axis, passes(window, length)))


def passes(window: Window, length: int) -> int:
    """How many places a window has along a length."""
    return (length - window[0]) // window[1] + 1


def covered(window: Window, places: int) -> int:
    """The length that a window sees from so many places."""
    return (places - 1) * window[1] + window[0]


def reach(word: Word, axis: int) -> Window | None:
    """The window of a word; None where it may look at everything, or there is padding."""
    if isinstance(word, ALONE):
        return 1, 1
    if isinstance(word, nn.MaxPool2d | nn.AvgPool2d):
        return None if word.ceil_mode else _window(word, axis)
    return _window(word, axis) if type(word) is nn.Conv2d else None


def _window(word: Any, axis: int) -> Window | None:
    if _pair(word.padding) != (0, 0):
        return None
    numbers = (word.kernel_size, word.stride, getattr(word, "dilation", 1))
    size, stride, dilation = (_pair(each)[axis] for each in numbers)
    return (size - 1) * dilation + 1, stride


def _pair(number: Any) -> tuple[int, int]:
    return number if isinstance(number, tuple) else (number, number)
