"""Random bodies, headers and addresses: the server answers them all, never with 500, and names none of its paths."""

import base64
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import neocog
import pytest
from test_contract import MADE, SMALL

pytest.importorskip("starlette")
PATHS = re.compile(rb"/(work|tmp|root|home|usr|var|etc/[a-oq-z])|site-packages|Traceback|\.py\b")
TYPES = (
    *("image/png", "audio/wav", "text/plain", "application/octet-stream", "application/json", ""),
    *("multipart/form-data; boundary=x", "multipart/form-data", "application/x-www-form-urlencoded", "a/b; x=\xff"),
)
ADDRESSES = ("/predict",) * 20 + ("/explain", "/models", "/health", "/metrics", "/openapi.json", "/x", "//")
METHODS = ("POST",) * 40 + ("GET", "PUT", "OPTIONS", "HEAD", "\x00")
MODELS = ("", "?model=text-run", "?model=go-run", "?model=speech-run&top=3") * 4 + ("?model=%00", "?top=-1&top=é")
NAMES = ("Origin", "Authorization", "X-A", "Content-Encoding", "Expect", "Cookie", "Transfer-Encoding", "Range")
VALUES = ("null", "chunked", "gzip", "100-continue", "é\xff", "a" * 5000, "bytes=0-", "../..", "%00", "\t")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A running server with a model of each domain, and files of each."""
    folder = tmp_path_factory.mktemp("fuzz")
    before = os.environ.get("NEOCOG_CACHE")
    os.environ["NEOCOG_CACHE"] = str(folder / "cache")
    contents, runs = [], []
    for name in neocog.DOMAINS:
        data = MADE[name](folder / name)
        runs.append(folder / f"{name}-run")
        neocog.train(name, str(data), network=SMALL[name], out=str(runs[-1]), epochs=1, batch=8)
        contents += [path.read_bytes() for path in sorted(data.rglob("*.*"))[:3]]
    os.environ.pop("NEOCOG_CACHE") if before is None else os.environ.update(NEOCOG_CACHE=before)
    command = [sys.executable, "-m", "neocog", "serve", *map(str, runs), "--port", "0", "--max-body", "0.2"]
    with open(folder / "log.txt", "w+", encoding="utf-8") as log:  # a pipe that is not read would fill up
        process = subprocess.Popen([*command, "--timeout", "3"], stderr=log, text=True)
        while "serving" not in (text := (folder / "log.txt").read_text(encoding="utf-8")):
            assert process.poll() is None, text
            time.sleep(0.1)
        yield int(text.split("127.0.0.1:")[1].split(";")[0]), contents
        process.terminate()
        assert process.wait(60) == 0
        assert "Traceback" not in (folder / "log.txt").read_text(encoding="utf-8")


def mutated(content, rng):
    """A few bytes changed, left out, doubled or inserted."""
    content = bytearray(content)
    for _ in range(rng.choice((0, 1, 3, 20))):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(4)
        if kind == 0 and place < len(content):
            content[place] = rng.randrange(256)
        elif kind == 1:
            del content[place : place + rng.randrange(200)]
        elif kind == 2:
            content[place:place] = content[: rng.randrange(1000)]
        else:
            content[place:place] = rng.randbytes(rng.randrange(20))
    return bytes(content)


def wrapped(content, rng):
    """A file as a body, and its type: itself, in JSON, in a form, or anything."""
    kind = rng.randrange(6)
    if kind == 0:
        file = {"base64": base64.b64encode(content).decode()}
        text = rng.choice((content.decode("latin-1"), file, file, [], None, 1e400, {}))
        return json.dumps({"inputs": rng.choice(([text], text, [text] * 3))}).encode(), "application/json"
    if kind == 1:
        name = rng.choice(("../../x.png", "a\0b", "x" * 3000, "é"))
        head = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
        return head + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    if kind == 2:
        return rng.randbytes(rng.randrange(3000)), rng.choice(TYPES)
    return content, "application/octet-stream" if kind < 5 else rng.choice(TYPES)


def request(contents, rng):
    body, kind = wrapped(rng.choice(contents), rng)
    body = mutated(body, rng)
    query = "?" + "".join(map(chr, rng.choices(range(33, 255), k=20))) if rng.random() < 0.05 else rng.choice(MODELS)
    lines = [f"{rng.choice(METHODS)} {rng.choice(ADDRESSES)}{query} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines.append(f"Content-Type: {kind}")
    lines += [f"{rng.choice(NAMES)}: {rng.choice(VALUES)}" for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 1, 3)))]
    length = rng.choice((len(body),) * 60 + ("-1", "1e3", 10**30, "abc", len(body) // 2))
    lines.append(f"Content-Length: {length}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return (mutated(head, rng) if rng.random() < 0.05 else head) + body


def answer(port, content):
    """What the server answers before it closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), 60)) as connection:
        parts = []
        try:
            connection.sendall(content)
            while part := connection.recv(65536):
                parts.append(part)
        except (ConnectionResetError, BrokenPipeError):  # refused before the whole body was sent
            pass
        return b"".join(parts)


def fuzz(world, seeds):
    """How often each status occurs. Some requests wait for the time limit, so several run at once."""
    port, contents = world
    statuses = Counter()

    def run(seed):
        content = request(contents, random.Random(seed))
        try:
            return seed, content, answer(port, content)
        except TimeoutError:
            raise AssertionError(f"the server does not answer {seed}: {content[:500]!r}") from None

    with ThreadPoolExecutor(8) as pool:
        for seed, content, reply in pool.map(run, seeds):
            status = reply[9:12].decode() if reply.startswith(b"HTTP/1.1 ") else "none"
            statuses[status] += 1
            assert status != "500", (seed, reply)
            found = PATHS.search(reply.partition(b"\r\n\r\n")[2])
            assert found is None or found[0] in content, (seed, found, reply)
    return statuses


def test_random_requests_are_answered_without_an_error_of_the_server(world):
    statuses = fuzz(world, range(250))
    assert {"200", "400", "404", "422"} <= statuses.keys() and statuses["200"] > 10, statuses


@pytest.mark.slow
def test_ten_thousand_random_requests(world):
    print(fuzz(world, range(1000, 11_000)))
