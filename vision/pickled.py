"""Reading the pickles of CIFAR-10 without running code from them.

A pickle is a program that may do anything when it is loaded. Here the few names that a pickled NumPy array needs are
replaced by harmless values; any other name is refused, and NumPy itself is never called.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from .picture import Pixels


class Refused(Exception):
    """The reason why a pickle was not read."""


class Plain:
    """A stand-in for an array of bytes and for its type, which keeps the arguments in the pickle."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, tuple) else ()


def encode(text: str, encoding: str) -> bytes:
    """Decodes bytes as Python 3 pickles them in protocol 2."""
    if encoding != "latin1":
        raise Refused(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


ALLOWED: dict[str, Any] = {
    "_codecs.encode": encode,
    "numpy.core.multiarray._reconstruct": Plain,
    "numpy._core.multiarray._reconstruct": Plain,
    "numpy.ndarray": Plain,
    "numpy.dtype": Plain,
}


class Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in ALLOWED:
            raise Refused(f"it asks for {module}.{name}, which no picture needs, so it was not run")
        return ALLOWED[f"{module}.{name}"]


def read_pickle(content: bytes) -> dict[str, Any]:
    """The dictionary in a pickle, with text for keys. Raises Refused for any other content."""
    try:
        unpickled = Reader(io.BytesIO(content), encoding="latin1").load()
    except Refused:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise Refused(f"it is damaged ({error or type(error).__name__})") from error
    if not isinstance(unpickled, dict):
        raise Refused(f"it holds a {type(unpickled).__name__}, not a dictionary")
    return {text_of(key): value for key, value in unpickled.items()}


def text_of(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def array_of(value: Any) -> Pixels:
    """The array of bytes that a `Plain` stands for."""
    state = value.state if isinstance(value, Plain) else ()
    if len(state) != 5 or not isinstance(state[1], tuple) or not isinstance(state[4], bytes | str):
        raise Refused("its data are not an array")
    _, shape, kind, by_columns, raw = state
    if not isinstance(kind, Plain) or kind.arguments[:1] not in (("u1",), (b"u1",), ("|u1",)):
        raise Refused("its data are not bytes")
    content = raw.encode("latin1") if isinstance(raw, str) else raw
    try:
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C")
    except (ValueError, TypeError) as error:
        raise Refused(f"its array does not fit its shape ({error})") from error
