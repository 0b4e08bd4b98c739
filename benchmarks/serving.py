"""Requests per second of `neocog serve`, beside LitServe with the same network, and what stays of them under overload.

python benchmarks/serving.py rate RUN BODY [--peer PYTHON] [--flags "--batch 1"]    needs wrk
python benchmarks/serving.py overload RUN BODY                                      needs wrk

BODY is a picture or a recording. PYTHON is an interpreter with litserve beside Neocog; the peer gets the body in base64
in JSON, since it reads no body of another type but forms. Servers take turns, each started anew for its round.
`overload` finds the rate with 64 connections first, then sends four times as much from 1,000.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

CONNECTIONS = 64
CROWD = 1000  # connections of the overload
TIMES = 4  # of the rate, under overload


@contextmanager
def server(command: list[str], port: int) -> Iterator[int]:
    """A server's process, once it answers; its process identifier."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen([*command, str(port)], stderr=nowhere, stdout=nowhere, start_new_session=True)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # LitServe's workers outlive a SIGTERM of their parent
        process.wait()


def neocog_command(run: str, flags: str) -> list[str]:
    return [sys.executable, "-m", "neocog", "serve", run, *flags.split(), "--quiet", "--port"]


def kind_of(path: str) -> str:
    return "audio/wav" if path.endswith(".wav") else "image/png"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory(pid: int) -> float:
    """Resident memory in MB."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 1e6


# --- rate: wrk -------------------------------------------------------------------------------------------------------

LUA = 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "{kind}"\nwrk.body = io.open("{path}", "rb"):read("*a")\n'


def wrk(port: int, body: bytes, kind: str, seconds: int) -> tuple[float, float, int]:
    """Requests per second, the 99th percentile of their milliseconds, and how many were not answered with 200."""
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "body", Path(folder) / "post.lua"
        path.write_bytes(body)
        script.write_text(LUA.format(kind=kind, path=path))
        flags = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", str(script)]
        text = subprocess.run(
            ["wrk", *flags, f"http://127.0.0.1:{port}/predict"], check=True, capture_output=True, text=True
        ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(refused[1]) if refused else 0


def rates(arguments: argparse.Namespace) -> None:
    body = Path(arguments.body).read_bytes()
    kind = kind_of(arguments.body)
    inside = json.dumps({"base64": base64.b64encode(body).decode()}).encode()
    ways = {"neocog": (neocog_command(arguments.run, ""), body, kind)}
    if arguments.flags:
        ways[f"neocog {arguments.flags}"] = (neocog_command(arguments.run, arguments.flags), body, kind)
    if arguments.peer:
        peer = Path(__file__).with_name("serving_peer.py")
        ways["LitServe"] = ([arguments.peer, str(peer), arguments.run], inside, "application/json")
    results: dict[str, list[float]] = {name: [] for name in ways}
    print("| round | server | requests/s | p99, ms | not 200 | load |\n|---|---|---|---|---|---|")
    for turn in range(arguments.rounds):
        for name, (command, content, content_kind) in ways.items():
            port = free_port()
            with server(command, port):
                wrk(port, content, content_kind, 2)  # warm
                rate, p99, refused = wrk(port, content, content_kind, arguments.seconds)
            results[name].append(rate)
            load = os.getloadavg()[0]
            print(f"| {turn + 1} | {name} | {rate:,.0f} | {p99:.0f} | {refused} | {load:.1f} |", flush=True)
    for name, values in list(results.items())[1:]:
        ratios = [ours / other for ours, other in zip(results["neocog"], values, strict=True)]
        print(f"neocog / {name}: {statistics.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


# --- overload: requests at random times, whatever becomes of those before --------------------------------------------


class Connection(asyncio.Protocol):
    """A connection that sends a request and reads its answer, again and again."""

    def __init__(self, free: list[Connection], results: list[tuple[float, int]]) -> None:
        self.free, self.results = free, results
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.free.append(self)

    def send(self, request: bytes) -> None:
        self.start, self.answer = time.perf_counter(), b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if end and len(body) == int(head.lower().split(b"content-length: ")[1].split(b"\r")[0]):
            self.results.append((time.perf_counter() - self.start, int(head[9:12])))
            self.free.append(self)


async def poisson(port: int, request: bytes, rate: float, seconds: float) -> list[tuple[float, int]]:
    """Seconds and status of requests that are sent at independent random times, `rate` a second on average."""
    loop, rng = asyncio.get_running_loop(), random.Random(0)
    free: list[Connection] = []
    results: list[tuple[float, int]] = []
    for _ in range(CROWD):
        await loop.create_connection(lambda: Connection(free, results), "127.0.0.1", port)
    begin = due = time.perf_counter()
    while due < begin + seconds:
        due += rng.expovariate(rate)
        if (wait := due - time.perf_counter()) > 0.001:
            await asyncio.sleep(wait)
        while not free:
            await asyncio.sleep(0.001)
        free.pop().send(request)
    while len(free) < CROWD and time.perf_counter() < begin + 2 * seconds:
        await asyncio.sleep(0.01)
    return results


def overload(arguments: argparse.Namespace) -> None:
    content, kind = Path(arguments.body).read_bytes(), kind_of(arguments.body)
    request = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    columns = ("round", "peak", "requests/s", "answers/s", "of peak", "503: median, 99%, ms", "other", "MB")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    port = free_port()
    with server(neocog_command(arguments.run, arguments.flags), port) as pid:
        wrk(port, content, kind, 2)
        for turn in range(arguments.rounds):
            peak, _, _ = wrk(port, content, kind, arguments.seconds)
            rows = asyncio.run(poisson(port, request.encode() + content, TIMES * peak, arguments.seconds))
            good, sent = sum(status == 200 for _, status in rows) / arguments.seconds, len(rows) / arguments.seconds
            refused = sorted(1000 * seconds for seconds, status in rows if status == 503) or [float("nan")]
            waits = f"{statistics.median(refused):.0f}, {refused[int(0.99 * len(refused))]:.0f}"
            other = sum(status not in (200, 503) for _, status in rows)
            cells = (f"{turn + 1}", f"{peak:,.0f}", f"{sent:,.0f}", f"{good:,.0f}", f"{good / peak:.2f}", waits)
            cells += (f"{other}", f"{memory(pid):.0f}")
            print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rate", "overload"))
    parser.add_argument("run")
    parser.add_argument("body")
    parser.add_argument("--peer", help="an interpreter with litserve")
    parser.add_argument("--flags", default="", help="further flags of neocog serve")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    arguments = parser.parse_args()
    (rates if arguments.what == "rate" else overload)(arguments)


if __name__ == "__main__":
    main()
