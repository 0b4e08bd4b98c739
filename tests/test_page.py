"""The page: its files, the forward pass and its windows against the network itself, the playground, and a browser."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from neocog.core.explain.activations import activations
from neocog.core.explain.places import places
from neocog.core.inputs import BytesInput
from neocog.core.problem import Problem
from PIL import Image
from scenes import draw
from test_contract import MADE
from test_events import tones
from test_serve import message_of, picture

pytest.importorskip("starlette")
from neocog.web import forward, guard, lessons, served
from neocog.web.app import Limits, Server, application
from neocog.web.pages import Pages
from neocog.web.trainings import Trainings, named_data
from starlette.testclient import TestClient

ROOT = Path(neocog.__file__).parent
NETWORK = (
    "conv(6, 3, stride=2, pad=1, groups=3), relu, conv(5, 2, bias=False), maxpool(2), flatten, dense(7), dense(classes)"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model of pictures whose layers have strides, padding, groups and no bias."""
    folder = tmp_path_factory.mktemp("page")
    data = MADE["vision"](folder / "data")
    options = {"cache": str(folder / "cache"), "size": 9}
    return neocog.train("vision", str(data), network=NETWORK, out=str(folder / "run"), epochs=1, options=options)


@pytest.fixture(scope="module")
def client(model):
    server = Server([served.Served("colours", model)], Limits())
    with TestClient(application(server, guard.Rules(), Pages(server).routes()), "http://127.0.0.1:8000") as client:
        yield client


def noise(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# --- files


def test_the_page_and_its_files_are_served_with_a_strict_policy(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html") and "<title>Neocog</title>" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in (
        "style.css",
        "main.js",
        "use.js",
        "see.js",
        "learn.js",
        "draw.js",
        "board.js",
        "microphone.js",
        "over.js",
        "icon.svg",
    ):
        assert client.get(f"/{name}").status_code == 200
    assert message_of(client.get("/../app.py"), 404) and message_of(client.get("/page/app.py"), 404)


def test_no_file_of_the_page_names_another_address():
    folder = forward.__file__.replace("forward.py", "page")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "style=" not in text, name


# --- the forward pass


def test_the_layers_are_what_the_network_computes(client, model):
    layers = client.post("/page/forward", content=noise()).json()["layers"]
    inputs = model.windows(BytesInput(noise())).inputs[0]
    with torch.no_grad():
        maps = model.frontend(inputs[None])
        expected = [maps[0], *(x[0] for x in activations(model.words, places(model.network), maps))]
    assert [layer["layer"] for layer in layers[1:]] == [str(layer) for layer in model.network.layers]
    for layer, values in zip(layers, expected, strict=True):
        assert layer["shape"] == list(values.shape) and layer["units"] == len(values)
        numbers = np.frombuffer(base64.b64decode(layer["values"]), np.uint8) / 255 * (layer["high"] - layer["low"])
        np.testing.assert_allclose(
            numbers + layer["low"], values.flatten(), atol=(layer["high"] - layer["low"]) / 254 + 1e-6
        )


def test_a_number_is_its_patch_times_its_filter_plus_the_bias(model):
    value = BytesInput(noise(1))
    passed = {place.number: output for place, output in forward.forward(model, value).outputs}
    rng = np.random.default_rng(0)
    for number in ("0", "2", "5", "6"):
        output = passed[number]
        for _ in range(12):
            unit, *place = [int(rng.integers(0, size)) for size in (*output.shape, 1, 1)[:3]]
            found = forward.window(model, value, number, unit, *place)
            products = np.multiply(found["patch"], found["filter"])
            assert products.sum() == pytest.approx(found["sum"], rel=1e-4, abs=1e-5)
            assert found["sum"] + found["bias"] == pytest.approx(found["value"], rel=1e-4, abs=1e-5)
            assert found["value"] == float(output[(unit, *place)] if output.dim() == 3 else output[unit])
    pool = passed["3"]
    found = forward.window(model, value, "3", 2, 0, 0)
    assert np.max(found["patch"]) == pytest.approx(float(pool[2, 0, 0])) and np.shape(found["patch"]) == (1, 2, 2)


def test_what_the_page_may_not_ask(client):
    for query, message in (
        ("layer=0&unit=99", "there is no unit 99 at 0, 0"),
        ("layer=77", "the network has no layer 77"),
        ("layer=0&unit=1&row=50", "there is no unit 1 at 50, 0"),
    ):
        assert message in message_of(client.post(f"/page/window?{query}", content=noise()), 422)
    assert "row is a whole number" in message_of(client.post("/page/window?row=-1", content=noise()), 400)
    assert "one method at a time" in message_of(client.post("/page/explain?method=all", content=noise()), 400)
    assert "is not a model here" in message_of(client.post("/page/forward?model=x", content=noise()), 404)


def test_an_explanation_is_a_picture(client):
    answer = client.post("/page/explain?method=occlusion", content=picture()).json()
    image = Image.open(io.BytesIO(base64.b64decode(answer["picture"])))
    assert image.format == "PNG" and answer["method"] == "occlusion" and "relevance" not in answer


# --- the playground

SETUP = {"shape": "circle", "network": "dense(3), relu, dense(classes)", "settings": {"batch": 10, "lr": 0.03}}


def test_a_training_is_advanced_step_by_step(client):
    start = client.post("/page/playground", json={"action": "start", "setup": SETUP}).json()
    assert start["step"] == 0 and len(start["points"]["train"]) + len(start["points"]["test"]) == 500
    assert [len(layer["weights"]) for layer in start["layers"]] == [3, 2]
    later = client.post(
        "/page/playground", json={"action": "advance", "session": start["session"], "steps": 400}
    ).json()
    assert later["step"] == 400 and later["test_loss"] < start["test_loss"]
    surface = np.frombuffer(base64.b64decode(later["surface"]["values"]), np.uint8)
    assert later["surface"]["size"] ** 2 == len(surface) == 3600 and surface.max() > 240


def test_the_requests_of_a_playground_are_checked(client):
    for request, message in (
        ({"action": "delete"}, "action is one of start, advance, trace, exercise"),
        ({"action": "advance", "session": "none"}, "the session has ended; start it again"),
        ({"action": "start", "setup": {"shape": "circle"}}, "setup.network is missing"),
        ({"action": "start", "setup": {**SETUP, "noise": 9}}, "setup.noise is from 0 to 0.5"),
        ({"action": "start", "setup": {**SETUP, "settings": {"device": "cuda"}}}, "device is unknown"),
        ({"action": "start", "setup": {**SETUP, "network": "dense(5000), dense(classes)"}}, "more than 64 units"),
        ({"action": "start", "setup": {**SETUP, "network": "conv(3, 9)"}}, "its window is 9 wide"),
        ({"action": "advance", "session": "1", "steps": 10**9}, "steps is from 0 to 2000"),
        ({"action": "exercise", "exercise": 1, "variant": 9}, "exercise 1 has 2 variants"),
    ):
        assert message in message_of(client.post("/page/playground", json=request), 422), request
    assert "not JSON" in message_of(client.post("/page/playground", content=b"{"), 400)
    assert message_of(client.post("/page/playground", content=b"0" * 200_000), 413)


def test_old_sessions_give_way():
    playground = lessons.Lessons()
    names = [
        playground.answer({"action": "start", "setup": SETUP})["session"] for _ in range(lessons.MOST_SESSIONS + 1)
    ]
    with pytest.raises(Problem, match="the session has ended"):
        playground.answer({"action": "advance", "session": names[0]})
    assert playground.answer({"action": "advance", "session": names[1], "steps": 1})["step"] == 1


def test_the_exercises_are_listed_with_setups_that_start(client):
    exercises = client.get("/page/exercises").json()
    assert [exercise["number"] for exercise in exercises] == list(range(1, 11))
    for exercise in exercises:
        for variant in exercise["variants"]:
            assert (
                client.post("/page/playground", json={"action": "start", "setup": variant["setup"]}).status_code == 200
            )


# --- trainings


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT.parent))
    MADE["vision"](tmp_path / "photos")
    made = Trainings(named_data([str(tmp_path / "photos")]), tmp_path / "runs")
    yield made
    made.close()


def until(trainings, number, condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition(state := trainings.answer({"action": "state", "training": number})):
        assert time.monotonic() < end, state
        time.sleep(0.1)
    return state


def test_a_training_is_watched_stopped_and_resumed(trainings, model, tmp_path):
    first = trainings.answer({"action": "start", "domain": "vision", "data": "photos", "epochs": 400})
    assert first["running"] and trainings.report(first["training"]) is None
    until(trainings, 1, lambda state: len(state["epochs"]) >= 1)
    trainings.answer({"action": "stop", "training": 1})
    stopped = until(trainings, 1, lambda state: not state["running"])
    assert stopped["resumable"] and not stopped["finished"] and "resume with" in stopped["lines"][-1]
    assert str(tmp_path / "photos") not in "\n".join(stopped["lines"])
    resumed = trainings.answer({"action": "resume", "training": 1})
    assert resumed["running"] and len(resumed["epochs"]) == len(stopped["epochs"])
    trainings.answer({"action": "stop", "training": 1})
    until(trainings, 1, lambda state: not state["running"])
    trainings.answer({"action": "start", "domain": "vision", "data": "photos", "epochs": 1, "recipe": "mlp(units=8)"})
    finished = until(trainings, 2, lambda state: not state["running"])
    assert finished["finished"] and not finished["resumable"] and (tmp_path / "runs/vision-photos-2").is_dir()
    server = Server([served.Served("colours", model)], Limits())
    pages = Pages(server, trainings).routes()
    with TestClient(application(server, guard.Rules(), pages), "http://127.0.0.1:8000") as client:
        report = client.get("/page/report/2")
        assert report.status_code == 200 and "script-src" not in report.headers["content-security-policy"]
        assert report.headers["content-security-policy"].startswith("default-src 'none'")
        assert "there is no report" in message_of(client.get("/page/report/3"), 404)
        assert client.post("/page/trainings", json={"action": "list"}).json()["data"] == ["photos"]


def test_what_a_page_may_not_train(trainings, tmp_path):
    for request, message in (
        ({"action": "start", "domain": "vision", "data": "/etc"}, "the data are photos"),
        ({"action": "start", "domain": "vision", "data": "photos", "recipe": "--out=x"}, "a training has a domain"),
        ({"action": "start", "domain": "vision", "data": "photos", "epochs": 1, "minutes": 1}, "epochs or minutes"),
        ({"action": "start", "domain": "shell", "data": "photos"}, "domain is one of vision, speech, text, go"),
        ({"action": "stop", "training": 7}, "there is no training 7"),
    ):
        with pytest.raises(Problem, match=message):
            trainings.answer(request)
    with pytest.raises(Problem, match=r"--data .*nothing does not exist"):
        named_data([str(tmp_path / "nothing")])
    with pytest.raises(Problem, match="two --data have the name photos; give one of them another"):
        named_data([str(tmp_path / "photos"), f"photos={tmp_path}"])


# --- a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def train_placed(folder):
    """Models of boxes, masks and events, with an input of each beside them."""
    draw(folder / "boxes", 24, side=48, most=2, labels=2)
    (folder / "masks" / "masks").mkdir(parents=True)
    (folder / "masks" / "images").mkdir()
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 32)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "masks" / "images" / f"{index}.png")
        Image.fromarray((pixels > 128).astype(np.uint8)).save(folder / "masks" / "masks" / f"{index}.png")
    tones(folder / "events", 12)
    for domain, name, recipe in (
        ("vision", "boxes", "detector(width=4)"),
        ("vision", "masks", "unet(width=4, depth=1)"),
        ("speech", "events", "event-cnn(width=4)"),
    ):
        options = {"size": 48} if name == "boxes" else {}
        out = str(folder / f"{name}-run")
        neocog.train(domain, str(folder / name), recipe=recipe, out=out, epochs=2, options=options)


@pytest.fixture
def address(tmp_path):
    """A server with the page, with models of pictures and of recordings."""
    os.environ["NEOCOG_CACHE"] = str(tmp_path / "cache")
    for name, network in (("vision", "conv(4, 3), relu, flatten, dense(classes)"), ("speech", None)):
        data = MADE[name](tmp_path / name)
        neocog.train(name, str(data), network=network, out=str(tmp_path / f"{name}-run"), epochs=1)
    train_placed(tmp_path)
    runs = [str(tmp_path / f"{name}-run") for name in ("vision", "speech", "boxes", "masks", "events")]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "neocog",
            "serve",
            *runs,
            "go",
            "--page",
            "--port",
            "0",
            "--data",
            str(tmp_path / "vision"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    line = process.stderr.readline()
    yield line.split()[1].rstrip(";")
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_person_uses_the_page(address, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        problems = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        # a drawing: the prediction comes without another click, and the layers for it
        box = page.locator("canvas.pad").bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 200, steps=10)
        page.mouse.up()
        page.wait_for_selector("#prediction .bars li")
        page.wait_for_selector("#explanation img")
        page.keyboard.press("Tab")
        page.locator("#tab-use").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".layer canvas")
        assert page.locator("#see #prediction .bars li").count()  # beside the layers, with the drawing
        page.locator(".layer").nth(1).locator("canvas").nth(0).focus()
        page.wait_for_selector("#window .sum")
        before = page.locator("#window").inner_text()
        page.keyboard.press("ArrowDown")
        page.wait_for_selector("#window p:has-text('row 1')")
        assert page.locator("#window").inner_text() != before
        page.select_option("#kernel", "blur")
        assert page.locator("#kernel-numbers input").nth(0).input_value() == "0.111"
        # a photo from the camera, and one from a file
        page.click("#tab-use")
        page.get_by_role("button", name="Take a photo").click()
        page.wait_for_timeout(1500)
        (tmp_path / "photo.png").write_bytes(picture((40, 40)))
        page.set_input_files("input[type=file][accept='image/*'] >> nth=0", str(tmp_path / "photo.png"))
        page.wait_for_timeout(500)
        assert page.locator("#status").is_hidden()
        # boxes, masks and events, drawn over what they are of
        for name, given in (("boxes", "boxes/1.png"), ("masks", "masks/images/1.png"), ("events", "events/01.wav")):
            page.select_option("#model", f"{name}-run")
            page.set_input_files("#input input[type=file] >> nth=0", str(tmp_path / given))
            page.wait_for_selector("#prediction canvas.over")
            page.wait_for_selector("#explanation img")
            drawn = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)"
            assert name == "events" or page.locator("#prediction canvas.over").evaluate(drawn)
        # a recording
        page.select_option("#model", "speech-run")
        page.get_by_role("button", name="Record").click()
        page.wait_for_timeout(1500)
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("#prediction .bars li")
        # a board by keys
        page.select_option("#model", "go")
        page.wait_for_selector("#prediction .bars li")
        page.locator("#input canvas").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#input p:has-text('next move')")
        page.get_by_label("Eight symmetric views").check()
        page.wait_for_selector("#input p:has-text('The mean of all eight gives')")
        assert page.locator(".views canvas").count() == 8
        # a training, its pause, a traced step and an exercise
        page.click("#tab-learn")
        page.wait_for_selector("#exercises li")
        page.click("#run")
        page.wait_for_selector("#epochs:has-text('2')", timeout=60_000)
        page.click("#run")
        page.select_option("#batch", "1")
        page.select_option("#optimiser", "sgd")
        page.wait_for_timeout(500)
        page.click("#step")
        page.wait_for_selector("#trace td")
        page.locator("#exercises li > button").first.click()
        page.locator("#exercises li").first.locator("text=Measure 5 starts").click()
        page.wait_for_selector("#exercises li >> text=two half-planes bound no closed region", timeout=120_000)
        # a training, watched to its report
        page.click("#tab-train")
        page.fill("#training-recipe", "swift")
        page.fill("#training-minutes", "0.2")
        page.click("#training-form button")
        page.wait_for_selector("text=Open the report", timeout=120_000)
        with page.context.expect_page() as opened:
            page.click("text=Open the report")
        opened.value.wait_for_selector("h1")
        assert problems == []
        browser.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_page_is_accessible_in_all_views(address, tmp_path, scheme, width):
    sync_api = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        page.goto(address)
        for name, given in (("boxes", "boxes/1.png"), ("events", "events/01.wav")):
            page.select_option("#model", f"{name}-run")
            page.set_input_files("#input input[type=file] >> nth=0", str(tmp_path / given))
            page.wait_for_selector("#prediction canvas.over")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            violations = axe.run(page).response["violations"]
            assert [found["id"] for found in violations if found["impact"] in ("serious", "critical")] == [], name
        page.select_option("#model", "vision-run")
        page.locator("canvas.pad").click()
        page.wait_for_selector("#explanation img")
        for view, ready in (
            ("use", ".bars li"),
            ("see", ".layer canvas"),
            ("learn", "#exercises li"),
            ("train", "form"),
        ):
            page.click(f"#tab-{view}")
            page.wait_for_selector(f"#{view} {ready}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
            violations = axe.run(page).response["violations"]
            assert [found["id"] for found in violations if found["impact"] in ("serious", "critical")] == [], view
        browser.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_without_a_microphone_or_a_camera_is_answered_with_a_sentence(address):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()  # without the flags that fake devices
        page.goto(address)
        page.get_by_role("button", name="Take a photo").click()
        page.wait_for_selector("#status:has-text('there is no camera, or it may not be used; choose a photo instead')")
        page.select_option("#model", "speech-run")
        page.get_by_role("button", name="Record").click()
        page.wait_for_selector("#status:has-text('there is no microphone')")
        browser.close()


def test_the_page_takes_no_token_and_play_needs_no_model(command, tmp_path):
    from neocog.commands import serve

    code, _, err = command("serve", "go", "--page", "--token", "x")
    assert code == 2 and "a browser sends no token with --page" in err
    started = time.monotonic()
    os.environ["NEOCOG_CACHE"] = str(tmp_path / "cache")
    folder = serve.first_model(quiet=True)
    assert serve.first_model(quiet=True) == folder and time.monotonic() - started < 120
    assert json.loads((tmp_path / "cache/play/digits/summary.json").read_text())["accuracy"] > 0.9
