"""Damages content: bytes, JSON, tables, and the headers of safetensors files."""

import copy
import json
import random
import struct
from typing import Any

WRONG: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 0.5, 1e308, -1e-320, 2**31, 2**63, 10**30, float("nan"), float("inf")),
    *("", " ", "x", "nan", "\x1b[31mred", "\udc80", "x" * 5000, "../..", "ä\u200b\u202e", "1", "{", "classes", "=1+1"),
    *([], {}, [[]], [None], ["a", 1], {"a": {}}, [0.1] * 4, [1, 2, 3, 4, 5]),
)  # values of all types


def wrong(rng: random.Random) -> Any:
    """A value of any type."""
    return copy.deepcopy(rng.choice(WRONG))


def content(rng: random.Random, data: bytes) -> bytes:
    """Bytes with some damage."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_DAMAGES)(rng, data)
    return data


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _flip_header(rng: random.Random, data: bytes) -> bytes:
    return _flip(rng, data[:64]) + data[64:]


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _cut(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 4, 100)) :]


def _insert(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.choice((1, 4, 1000))) + data[start:]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start : start + 500] * rng.choice((2, 50)) + data[start:]


def _zero(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + bytes(len(data[start : start + 200])) + data[start + 200 :]


def _large_number(rng: random.Random, data: bytes) -> bytes:
    """Puts a large number over four bytes, mostly in the header."""
    start = rng.randrange(max(1, min(len(data), rng.choice((64, 64, 10**9)))))
    number = struct.pack(rng.choice("<>") + "I", rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000000)))
    return data[:start] + number + data[start + 4 :]


def _empty(rng: random.Random, data: bytes) -> bytes:
    return rng.choice((b"", b"\n", b"\x00" * 100, b"\xff\xfe", b"\xef\xbb\xbf", rng.randbytes(300)))


_DAMAGES = (_flip, _flip_header, _truncate, _cut, _insert, _repeat, _zero, _large_number, _large_number, _empty)


def value(rng: random.Random, tree: Any) -> Any:
    """A JSON value with one or two entries replaced, removed or added anywhere."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2))):
        tree = _change(rng, tree)
    return tree


def _change(rng: random.Random, tree: Any) -> Any:
    if isinstance(tree, dict | list) and tree and rng.random() < 0.85:
        keys: list[Any] = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = rng.choice(keys)
        if rng.random() < 0.15:
            del tree[key]
        elif isinstance(tree, dict) and rng.random() < 0.1:
            tree[str(wrong(rng))[:100]] = wrong(rng)
        else:
            tree[key] = _change(rng, tree[key])
        return tree
    if type(tree) in (int, float) and rng.random() < 0.5:
        return rng.choice((-tree, tree * 1000, tree + 1, tree / 3, int(tree) if tree == tree else 0, str(tree)))
    if isinstance(tree, str) and rng.random() < 0.4:
        start = rng.randrange(len(tree) + 1)
        return tree[:start] + rng.choice(("", "9", ",", "(", ")", " ", "-", "e9", "\n")) + tree[start + 1 :]
    if isinstance(tree, list) and tree and rng.random() < 0.5:
        return tree * rng.choice((0, 2, 1000))
    return wrong(rng)


def safetensors(rng: random.Random, data: bytes, key: str) -> bytes:
    """A safetensors file with damage to the JSON under a key of its metadata, to its tensors' entries or its bytes."""
    size = int.from_bytes(data[:8], "little")
    header, weights = json.loads(data[8 : 8 + size]), data[8 + size :]
    kind = rng.random()
    if kind < 0.6:
        header["__metadata__"][key] = dumps(value(rng, json.loads(header["__metadata__"][key])))
    elif kind < 0.8:
        header = value(rng, header)
    elif kind < 0.9:
        weights = content(rng, weights)
    else:
        return content(rng, data)
    raw = dumps(header).encode("utf-8", "surrogatepass")
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + weights


def dumps(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)
