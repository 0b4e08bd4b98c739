"""The web server: what it answers, what it refuses and with which sentence, and that it lives on."""

import base64
import http.client
import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import neocog
import numpy as np
import pytest
import soundfile
from neocog.core.problem import FAILED, INTERRUPTED, USAGE, Problem
from PIL import Image
from test_contract import MADE, SMALL

pytest.importorskip("starlette")
from neocog.web import guard, served, server
from neocog.web.app import Limits, Server, application
from neocog.web.engine import Engine
from neocog.web.problems import Refused
from starlette.testclient import TestClient

HOST = "http://127.0.0.1:8000"
MANY = json.dumps({"inputs": [{"base64": "eA=="}] * 101}).encode()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function that gives the data and the run folder of a small model of a domain."""
    made = {}
    before = os.environ.get("NEOCOG_CACHE")
    os.environ["NEOCOG_CACHE"] = str(tmp_path_factory.mktemp("cache"))

    def trained(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            data = MADE[name](folder / "data")
            neocog.train(
                name, str(data), network=SMALL[name], out=str(folder / f"{name}-run"), epochs=2, batch=8, lr=0.02
            )
            made[name] = (data, folder / f"{name}-run")
        return made[name]

    yield trained
    os.environ.pop("NEOCOG_CACHE") if before is None else os.environ.update(NEOCOG_CACHE=before)


@contextmanager
def serving(paths, limits=None, rules=None):
    """A client of a server of models."""
    models = [
        served.Served(name, neocog.load(str(path), "cpu")) for name, path in served.named([*map(str, paths)]).items()
    ]
    app = application(Server(models, limits or Limits()), rules or guard.Rules())
    with TestClient(app, HOST, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(runs):
    """A server of a model of each domain."""
    with serving([runs(name)[1] for name in neocog.DOMAINS]) as client:
        yield client


def message_of(response, status):
    """The sentence of a refused request."""
    assert response.status_code == status, response.text
    assert response.json().keys() == {"error"} and response.json()["error"]["status"] == status
    return response.json()["error"]["message"]


def picture(size=(9, 9), colour=(200, 20, 20), format="PNG"):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format)
    return file.getvalue()


def files_of(folder, count=3):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()][:count]


# --- predictions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", neocog.DOMAINS)
def test_predictions_are_those_of_predict(domain, runs, client):
    data, run = runs(domain)
    model = neocog.load(str(run), "cpu")
    for path in files_of(data):
        response = client.post(f"/predict?model={domain}-run&top=3", content=path.read_bytes())
        (row,) = response.json()
        (expected,) = model.predict([path.read_bytes()], 3)
        assert response.status_code == 200 and row["input"] == "-"
        assert [entry["label"] for entry in row["predictions"]] == [entry["label"] for entry in expected["predictions"]]
        probabilities = [entry["probability"] for entry in row["predictions"]]
        assert probabilities == pytest.approx([entry["probability"] for entry in expected["predictions"]], abs=1e-5)


def test_several_files_of_a_form_are_predicted_and_keep_their_names(runs, client):
    paths = files_of(runs("vision")[0], 12)
    files = [("file", (path.name, path.read_bytes())) for path in paths] + [("file", ("broken.png", b"no picture"))]
    rows = client.post("/predict?model=vision-run&top=1", files=files).json()
    assert [row["input"] for row in rows] == [*(path.name for path in paths), "broken.png"]
    assert all(len(row["predictions"]) == 1 for row in rows[:-1])
    assert "the picture" in rows[-1]["problem"] and "predictions" not in rows[-1]


def test_json_holds_texts_and_files(runs, client):
    rows = client.post("/predict?model=text-run", json={"inputs": ["the purring cat", "barking"]}).json()
    assert [row["input"] for row in rows] == ["the purring cat", "barking"]
    entry = {"name": "red.png", "base64": base64.b64encode(picture()).decode()}
    (row,) = client.post("/predict?model=vision-run", json={"inputs": [entry]}).json()
    assert row["input"] == "red.png" and len(row["predictions"]) == 3
    form = client.post("/predict?model=text-run", files={"text": (None, "a purring cat")})
    assert form.json()[0]["input"] == "a purring cat"


def test_many_requests_at_once_give_what_single_ones_give(runs, client):
    contents = [path.read_bytes() for path in files_of(runs("vision")[0], 30)]
    single = [client.post("/predict?model=vision-run", content=content).json() for content in contents]
    with ThreadPoolExecutor(16) as pool:
        together = list(
            pool.map(lambda content: client.post("/predict?model=vision-run", content=content).json(), contents)
        )
    for one, other in zip(single, together, strict=True):
        for first, second in zip(one[0]["predictions"], other[0]["predictions"], strict=True):
            assert first["label"] == second["label"]
            assert first["probability"] == pytest.approx(second["probability"], abs=1e-5)


def test_explanations_are_those_of_explain(runs, client):
    (row,) = client.post("/explain?model=vision-run&method=saliency&label=red", content=picture()).json()
    assert row["label"] == "red" and row["method"] == "saliency" and row["size"] == [9, 9]
    assert len(row["relevance"]) == 9 and len(row["relevance"][0]) == 9


def test_models_health_metrics_and_openapi_are_answered(client):
    models = client.get("/models").json()
    assert [model["name"] for model in models] == [f"{name}-run" for name in neocog.DOMAINS]
    assert models[0]["labels"] == ["blue", "green", "red"] and models[0]["task"] == "classify"
    assert client.get("/health").json()["status"] == "ok"
    client.post("/predict?model=vision-run", content=picture())
    metrics = client.get("/metrics").text
    assert 'neocog_requests_total{path="/predict",status="200"}' in metrics
    assert "neocog_request_seconds_bucket" in metrics and "neocog_batch_requests_count" in metrics
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1") and set(document["paths"]) >= {"/predict", "/explain", "/models"}


def test_the_first_model_is_the_default(runs, client):
    assert (
        client.post("/predict", content=picture()).json()
        == client.post("/predict?model=vision-run", content=picture()).json()
    )


# --- bad input -------------------------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(client):
    response = client.post("/predict", content=b"", headers={"Content-Length": "1000000000"})
    assert message_of(response, 413) == "the body is larger than 20 MB; send a smaller file, or fewer"


def test_a_body_without_a_length_is_read_up_to_the_limit(runs):
    with serving([runs("vision")[1]], Limits(body=1000)) as client:
        parts = (b"x" * 500 for _ in range(100))
        assert "larger than 0.001 MB" in message_of(client.post("/predict", content=parts), 413)


def png_header(width, height):
    """A PNG that claims a size."""
    chunk = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    out = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", chunk), (b"IDAT", data), (b"IEND", b"")):
        out += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return out


def test_a_picture_bomb_is_refused_by_its_header(client):
    message = message_of(client.post("/predict?model=vision-run", content=png_header(10_000, 8_000)), 413)
    assert message == "the picture has 10,000×8,000 pixels; send one of at most 50 megapixels"
    assert "picture" in message_of(client.post("/predict?model=vision-run", content=png_header(60_000, 60_000)), 422)


def wav(samples, claimed=None):
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="PCM_16")
    content = bytearray(file.getvalue())
    if claimed is not None:
        content[40:44] = struct.pack("<I", claimed)
    return bytes(content)


def test_a_sound_that_lies_about_its_length_is_refused(client):
    tone = np.sin(np.arange(2000) / 3) * 0.3
    assert client.post("/predict?model=speech-run", content=wav(tone)).status_code == 200
    message = message_of(client.post("/predict?model=speech-run", content=wav(tone, 2_000_000_000)), 422)
    assert "is cut short" in message


def test_a_sound_of_hours_in_a_small_file_is_refused_by_its_header(client):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000 * 1200, np.int16), 8000, format="FLAC")
    assert len(file.getvalue()) < 200_000
    message = message_of(client.post("/predict?model=speech-run", content=file.getvalue()), 413)
    assert message == "the recording lasts 1,200 s; send at most 600 s"


def test_a_text_that_is_too_long_is_refused(runs, client):
    assert "larger than 20 MB" in message_of(client.post("/predict?model=text-run", content=b"a " * 25_000_000), 413)
    message = message_of(client.post("/predict?model=text-run", content=b"a " * 600_000), 413)
    assert message == "the text has 1,200,000 bytes; send at most 1,000,000"
    assert "too long: more than 2,000 windows" in message_of(
        client.post("/predict?model=text-run", content=b"a " * 400_000), 413
    )


def test_a_record_that_is_too_long_is_refused(client):
    message = message_of(client.post("/predict?model=go-run", content=b"(;SZ[19]" + b" " * 1_000_001 + b")"), 413)
    assert message.startswith("the record has 1,000,010 bytes; send at most 1,000,000")


@pytest.mark.parametrize(
    ("kind", "content", "status", "message"),
    [
        ("application/x-www-form-urlencoded", b"a=b", 415, "application/x-www-form-urlencoded is not a type of body"),
        ("video/mp4", b"abc", 415, "video/mp4 is not a type of body that is read; send the file itself"),
        ("image/png", b"", 400, "the request has no input; send the file itself"),
        ("image/png", b"no picture", 422, "the picture holds text"),
        ("application/json", b"{", 400, 'the body is not JSON; expected {"inputs": [...]}'),
        ("application/json", b"[" * 200_000, 400, "the JSON is nested too deeply"),
        ("application/json", b"1" * 10_000, 400, "the body is not JSON"),
        ("application/json", b'{"inputs": "a"}', 400, "the JSON has no list of inputs"),
        ("application/json", b'{"inputs": [1]}', 400, "an input is neither a text nor a file"),
        ("application/json", b'{"inputs": ["a text"]}', 400, "the model is of vision, which takes no texts"),
        ("application/json", b'{"inputs": [{"base64": "?"}]}', 400, "the base64 of an input cannot be decoded"),
        ("application/json", b'{"inputs": []}', 400, "the request has no input"),
        (
            "application/json",
            MANY,
            413,
            "the request has 101 inputs",
        ),
        ("multipart/form-data", b"abc", 400, "the form cannot be read"),
        ("multipart/form-data; boundary=x", b"abc", 400, "the form cannot be read"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400, "the request has no input"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="path"\r\n\r\n/etc/passwd\r\n--x--\r\n',
            400,
            "the form has a field 'path'; expected files, or fields named text",
        ),
    ],
)
def test_a_body_that_cannot_be_used_is_a_sentence_with_its_status(kind, content, status, message, client):
    response = client.post("/predict?model=vision-run", content=content, headers={"Content-Type": kind})
    assert message in message_of(response, status)


@pytest.mark.parametrize(
    ("method", "url", "status", "message"),
    [
        ("POST", "/predict?model=visoin-run", 404, "'visoin-run' is not a model here (did you mean vision-run?)"),
        ("POST", "/predict?model=../../etc/passwd", 404, "'../../etc/passwd' is not a model here"),
        ("POST", "/predict?top=0", 400, "top is from 1 to 1,000; got '0'"),
        ("POST", "/predict?top=x", 400, "top is from 1 to 1,000; got 'x'"),
        ("POST", "/explain?method=magic", 422, "magic is not a method"),
        ("POST", "/explain?label=purple", 422, "purple is not a label of this model"),
        ("GET", "/predict", 405, "GET is not for this address"),
        ("GET", "/../../etc/passwd", 404, "there is nothing at this address"),
        ("GET", "/docs", 404, "there is nothing at this address"),
    ],
)
def test_a_wrong_address_or_query_is_a_sentence_with_its_status(method, url, status, message, client):
    assert message in message_of(client.request(method, url, content=picture() if method == "POST" else None), status)


def test_compressed_bodies_and_bad_lengths_are_refused(client):
    response = client.post("/predict", content=b"x", headers={"Content-Encoding": "gzip"})
    assert "the body is compressed" in message_of(response, 415)


# --- hosts, origins, token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"Host": "evil.example"}, 403, "the host 'evil.example' is not this server; --allow-host adds a name"),
        ({"Host": "localhost.evil.example:8000"}, 403, "is not this server"),
        ({"Host": ""}, 403, "is not this server"),
        (
            {"Origin": "https://evil.example"},
            403,
            "pages of 'https://evil.example' may not ask; --allow-origin adds one",
        ),
        ({"Origin": "null"}, 403, "may not ask"),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200, ""),
        ({"Host": "192.168.1.7:8000"}, 200, ""),
        ({"Host": "[::1]:8000"}, 200, ""),
        ({"Host": "Digits.Example:8000"}, 200, ""),
        ({"Origin": "https://page.example"}, 200, ""),
    ],
)
def test_hosts_and_origins_are_checked(headers, status, message, runs):
    rules = guard.Rules(["digits.example"], ["https://page.example"])
    with serving([runs("vision")[1]], rules=rules) as client:
        response = client.get("/models", headers=headers)
        assert response.status_code == status
        assert message in (message_of(response, status) if message else "")
        allowed = response.headers.get("access-control-allow-origin")
        assert allowed == ("https://page.example" if headers.get("Origin") == "https://page.example" else None)


def test_a_token_is_needed_everywhere_but_for_health(runs):
    with serving([runs("vision")[1]], rules=guard.Rules(token="secret")) as client:
        message = message_of(client.get("/models"), 401)
        assert message == "the token is missing or wrong; send it as Authorization: Bearer TOKEN"
        for wrong in ("Bearer secre", "Bearer secret ", "secret", "Basic secret"):
            assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401
        assert client.get("/models", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert client.get("/health").status_code == 200


def test_every_answer_has_safe_headers(client):
    for response in (
        client.get("/health"),
        client.get("/nothing"),
        client.get("/health", headers={"Host": "x.example"}),
    ):
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff" and "server" not in response.headers


# --- load ------------------------------------------------------------------------------------------------------------


def slow_server(runs, seconds, limits):
    """A server whose model takes some seconds for a batch."""
    model = neocog.load(str(runs("vision")[1]), "cpu")
    fill = model.fill

    def slow_fill(waiting, top):
        time.sleep(seconds)
        fill(waiting, top)

    model.fill = slow_fill
    return application(Server([served.Served("slow", model)], limits), guard.Rules())


def test_a_full_queue_answers_503_at_once(runs):
    with TestClient(slow_server(runs, 0.5, Limits(queue=3, batch=1)), HOST) as client:

        def post(_):
            start = time.monotonic()
            return client.post("/predict", content=picture()), time.monotonic() - start

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(post, range(8)))
        refused = [(response, seconds) for response, seconds in answers if response.status_code == 503]
        assert sum(response.status_code == 200 for response, _ in answers) == 3 and len(refused) == 5
        for response, seconds in refused:
            assert message_of(response, 503) == "the server is busy; try again in a second"
            assert response.headers["retry-after"] == "1" and seconds < 0.4
        assert client.post("/predict", content=picture()).status_code == 200  # and it lives on


def test_a_request_that_takes_too_long_answers_504_and_its_work_is_dropped(runs):
    limits = Limits(seconds=2.0, batch=1)
    with TestClient(slow_server(runs, 0.7, limits), HOST) as client:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: client.post("/predict", content=picture()), range(6)))
        late = [response for response in answers if response.status_code == 504]
        assert 0 < len(late) < 6 and {response.status_code for response in answers} == {200, 504}
        assert "no result within 2 seconds" in message_of(late[0], 504)
        assert client.post("/predict", content=picture()).status_code == 200  # not behind those that nobody waits for


def test_requests_that_wait_go_through_the_network_together(runs):
    app = slow_server(runs, 0.2, Limits(batch=64))
    with TestClient(app, HOST) as client:
        with ThreadPoolExecutor(12) as pool:
            assert all(
                r.status_code == 200 for r in pool.map(lambda _: client.post("/predict", content=picture()), range(12))
            )
        metrics = client.get("/metrics").text
        count = next(
            float(line.split()[1]) for line in metrics.splitlines() if line.startswith("neocog_batch_requests_count")
        )
        assert count < 6  # batches of 12 requests


def test_an_engine_refuses_more_than_its_queue():
    engine = Engine(1, 2, 1.0, lambda _: None)
    engine.admit()
    engine.admit()
    with pytest.raises(Refused, match="503"):
        engine.admit()
    engine.release()
    engine.admit()


# --- the process -----------------------------------------------------------------------------------------------------


def start(*arguments, cwd):
    process = subprocess.Popen(
        [sys.executable, "-m", "neocog", "serve", *map(str, arguments)], stderr=subprocess.PIPE, text=True, cwd=cwd
    )
    line = process.stderr.readline()
    assert "serving" in line, line + process.stderr.read()
    return process, int(line.split("http://127.0.0.1:")[1].split(";")[0])


def ask(port, content, timeout=30.0):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        connection.request("POST", "/predict", content)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def process(runs, tmp_path):
    """A server in a process of its own, whose model file is deleted once it is up."""
    copy = tmp_path / "copy"
    shutil.copytree(runs("vision")[1], copy)
    process, port = start(copy, "--port", 0, "--timeout", 3, cwd=tmp_path)
    shutil.rmtree(copy)
    yield process, port
    process.kill()
    process.communicate()


@contextmanager
def connected(port, content):
    """A connection on which something was sent."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(content)
        yield connection


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


def test_a_server_lives_without_its_file_and_with_slow_and_broken_clients(process):
    running, port = process
    status, rows = ask(port, picture())
    assert status == 200 and rows[0]["predictions"]
    with connected(port, HEAD % 100 + b"abc") as slow, connected(port, b"POST /predict HT") as endless:
        with connected(port, b"\x16\x03\x01 no HTTP at all\r\n\r\n") as broken:
            assert b"400" in broken.recv(1000)
        with connected(port, HEAD % 100 + b"abc"):  # closed before its body has arrived
            pass
        answer = b"".join(iter(lambda: slow.recv(4000), b""))
        assert endless.recv(100) == b""  # the connection is closed
    assert answer.startswith(b"HTTP/1.1 408") and b"the body took too long to arrive" in answer
    assert ask(port, picture())[0] == 200
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0


def test_more_connections_than_the_server_has_get_503_and_it_lives_on(process):
    _, port = process
    with ExitStack() as stack:
        for _ in range(server.CONNECTIONS + 50):
            stack.enter_context(connected(port, b"POST /pre"))
        status, answer = ask(port, picture())
    assert status == 503
    assert answer["error"]["message"] == "the server has too many connections; try again in a second"
    for _ in range(100):  # until the connections are closed
        if ask(port, picture())[0] == 200:
            break
        time.sleep(0.1)
    assert ask(port, picture())[0] == 200


def test_a_busy_server_refuses_at_once_and_the_connection_goes_on(runs, tmp_path):
    running, port = start(runs("vision")[1], "--port", 0, "--queue", 1, cwd=tmp_path)
    with connected(port, HEAD % 100 + b"abc"), closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        deadline = time.monotonic() + 10
        while ask(port, picture())[0] != 503:  # until the one place is taken
            assert time.monotonic() < deadline

        def answered(method, path, body=None):
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

        for body in (picture(), bytes(server.SMALL), bytes(server.SMALL + 1), picture()):
            status, headers, content = answered("POST", "/predict?top=1", body)
            assert (status, headers["retry-after"]) == (503, "1")
            assert "default-src 'self'" in headers["content-security-policy"]
            assert json.loads(content)["error"]["message"] == "the server is busy; try again in a second"
        assert answered("GET", "/health")[0] == 200
        counts = answered("GET", "/metrics")[2].decode()
        assert float(counts.split('path="/predict",status="503"} ')[1].split()[0]) >= 5
    for _ in range(100):  # until the place is free
        if ask(port, picture())[0] == 200:
            break
    assert ask(port, picture())[0] == 200
    running.kill()
    running.communicate()


def test_sigterm_finishes_the_requests_that_are_there(process):
    running, port = process
    body = picture()
    with ExitStack() as stack:
        begun = HEAD % len(body) + body[:-1]
        connections = [stack.enter_context(connected(port, begun)) for _ in range(20)]
        time.sleep(0.5)
        running.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        for connection in connections:
            connection.sendall(body[-1:])
        assert [connection.recv(4000)[:12] for connection in connections] == [b"HTTP/1.1 200"] * 20
    assert running.wait(30) == 0


def test_ctrl_c_ends_a_server(process):
    running, _ = process
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == INTERRUPTED


def test_a_port_in_use_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Problem, match=f"port {port} of 127.0.0.1 is in use; choose another with --port") as caught:
            server.listening("127.0.0.1", port)
    assert caught.value.code == FAILED
    with pytest.raises(Problem, match=r"203\.0\.113\.7 is not an address of this machine"):
        server.listening("203.0.113.7", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines ask; give --token, which requests then need"),
        (["a=x", "a=y"], "two models have the name a; give one of them another: NAME=y"),
        (["x", "--port", "70000"], "--port is from 0 to 65535; got 70000"),
        (["missing", "--port", "0"], "missing does not exist"),
    ],
)
def test_wrong_use_is_a_sentence(arguments, message, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command("serve", *arguments)
    assert code == USAGE and out == "" and message in err


def test_models_are_named_by_their_folders_or_as_given():
    assert served.named(["runs/digits", "b=runs/x", "runs/y/model.safetensors", "go"]) == {
        "digits": "runs/digits", "b": "runs/x", "y": "runs/y/model.safetensors", "go": "go",
    }  # fmt: skip
