"""Small sound inputs that cases use and damage: data sets, single files, models and runs of all domains."""

import csv
import gzip
import json
import random
import struct
import sys
import tarfile
import wave
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the inputs of the contract tests

DOMAINS = ("vision", "speech", "text", "go")
REVIEWS = [("good", "a warm and clever film"), ("bad", "dull, slow and far too long"), ("good", "I laughed twice")]
PICTURES = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "ico", "avif", "heic")
SOUNDS = ("wav", "flac", "ogg", "mp3", "aiff", "au", "w64", "rf64", "caf", "nist")


@dataclass(frozen=True)
class World:
    """Where the inputs are."""

    folder: Path

    def data(self, domain: str) -> Path:
        """The folder of a data set."""
        return self.folder / "data" / domain

    def run(self, domain: str) -> Path:
        """The folder of a finished training."""
        return self.folder / "runs" / domain

    def files(self, domain: str) -> list[Path]:
        """Single files of every kind that a domain reads, and its archives."""
        return sorted(path for path in (self.folder / "files" / domain).iterdir() if path.is_file())

    def input(self, domain: str) -> Path:
        """A file with one input."""
        names = {"vision": "picture.png", "speech": "sound.wav", "text": "text.txt", "go": "game.sgf"}
        return self.folder / "files" / domain / names[domain]


def build(folder: Path) -> World:
    """Writes the inputs, and trains the models in forked processes."""
    from test_contract import MADE, SMALL

    world = World(folder)
    (folder / "data").mkdir(parents=True)
    for domain in DOMAINS:
        MADE[domain](world.data(domain))
        (folder / "files" / domain).mkdir(parents=True)
    _pictures(folder / "files" / "vision")
    _sounds(folder / "files" / "speech")
    _tables(folder / "files" / "text")
    _records(folder / "files" / "go")
    for domain in DOMAINS:
        _archives(world.data(domain), folder / "files" / domain)
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    for domain in DOMAINS:
        training = ("--network", SMALL[domain], "--epochs", "2", "--batch", "8", "--set", "checked=8")
        _call(world, "train", domain, world.data(domain), *training, "--out", world.run(domain))
    _call(world, "attack", world.run("vision"), world.data("vision"), "--card", "--out", folder / "card.json")
    _call(world, "go", "pack", world.data("go"), "--out", folder / "packed", "--workers", 1)
    return world


def _call(world: World, *arguments: object) -> None:
    from .sandbox import run

    logs = world.folder / "logs"
    logs.mkdir(exist_ok=True)
    environment = {"NEOCOG_CACHE": str(world.folder / "cache")}
    outcome = run([str(argument) for argument in arguments], world.folder, logs, environment=environment)
    if outcome.code:
        raise RuntimeError(f"{arguments} ended with {outcome.code}: {outcome.stderr.decode()}")


def _pictures(folder: Path) -> None:
    import numpy as np
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    pixels = np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    for ending in PICTURES:
        Image.fromarray(pixels).save(folder / f"picture.{ending}")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(folder / "deep.png")
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(folder / "real.tif")
    frames = [Image.fromarray(np.roll(pixels, shift, 0)) for shift in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(pixels).convert("P").save(folder / "palette.png", transparency=3)
    images = np.random.default_rng(2).integers(0, 256, (30, 9, 9), dtype=np.uint8)
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, 30, 9, 9) + images.tobytes())
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, 30) + bytes(i % 3 for i in range(30)))
    rows = [("file", "label")] + [
        (f"../../data/vision/{label}/{i}.png", label) for label in ("red", "blue") for i in range(5)
    ]
    _write_csv(folder / "pictures.csv", rows)
    columns = [f"pixel{i}" for i in range(81)]
    _write_csv(
        folder / "pixels.csv", [("label", *columns)] + [(i % 3, *image.ravel()) for i, image in enumerate(images)]
    )


def _sounds(folder: Path) -> None:
    import numpy as np
    import soundfile

    tone = (0.3 * np.sin(np.arange(1800) / 3)).astype(np.float32)
    for ending in SOUNDS:
        subtype = {"ogg": "VORBIS"}.get(ending)
        soundfile.write(folder / f"sound.{ending}", tone, 16000, subtype, format=ending.upper())
    soundfile.write(folder / "stereo.wav", np.stack([tone, tone], 1), 44100)
    soundfile.write(folder / "real.wav", tone, 8000, "FLOAT")
    soundfile.write(folder / "opus.ogg", tone, 16000, "OPUS", format="OGG")
    with wave.open(str(folder / "eight.wav"), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 6)
    rows = [("path", "label")] + [
        (f"../../data/speech/{label}/{i}.wav", label) for label in ("low", "high") for i in range(6)
    ]
    _write_csv(folder / "recordings.csv", rows)


def _tables(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [(label, f"{text}, case {i}") for i in range(8) for label, text in REVIEWS]
    _write_csv(folder / "reviews.csv", [("label", "text"), *rows])
    _write_csv(folder / "reviews.tsv", [("label", "text"), *rows], "\t")
    objects = [{"label": label, "text": text} for label, text in rows]
    (folder / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in objects), encoding="utf-8")
    (folder / "reviews.json").write_text(json.dumps(objects), encoding="utf-8")
    (folder / "fasttext.txt").write_text("".join(f"__label__{a} {b}\n" for a, b in rows), encoding="utf-8")
    (folder / "reviews.csv.gz").write_bytes(gzip.compress((folder / "reviews.csv").read_bytes(), mtime=0))
    (folder / "utf16.csv").write_bytes((folder / "reviews.csv").read_text(encoding="utf-8").encode("utf-16"))
    columns = {"label": [a for a, _ in rows], "text": [b for _, b in rows]}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "reviews.parquet")
    (folder / "text.txt").write_text("a warm and clever film\n", encoding="utf-8")
    numbers = "\n".join(f"{word} 0.5 -0.25 1.0" for word in ("warm", "clever", "film", "dull"))
    (folder / "vectors.txt").write_text(f"4 3\n{numbers}\n", encoding="utf-8")


def _records(folder: Path) -> None:
    rng = random.Random(3)
    points = [a + b for a in "abcdefghijklmnopqrs" for b in "abcdefghijklmnopqrs"]
    moves = rng.sample(points, 60)
    nodes = "".join(f";{'BW'[i % 2]}[{point}]" for i, point in enumerate(moves))
    head = "(;GM[1]FF[4]CA[UTF-8]SZ[19]KM[6.5]PB[Ada]PW[Grace]RE[B+2.5]DT[2001-02-03]"
    (folder / "game.sgf").write_text(f"{head}{nodes})\n", encoding="utf-8")
    (folder / "variations.sgf").write_text(
        f"{head}{nodes[:40]}(;B[aa]C[a \\] b])(;B[ba];W[])){head}{nodes})", encoding="utf-8"
    )
    (folder / "handicap.sgf").write_text(f"{head}HA[2]AB[dd][pp]PL[W]{nodes[6:]})", encoding="utf-8")


def _archives(data: Path, folder: Path) -> None:
    with zipfile.ZipFile(folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(data.rglob("*")):
            if path.is_file():
                archive.write(path, Path("data", path.relative_to(data)))
    for compression in ("gz", "xz", "bz2"):
        with tarfile.open(folder / f"data.tar.{compression}", f"w:{compression}") as archive:
            archive.add(data, "data")


def _write_csv(path: Path, rows: list[tuple[object, ...]], delimiter: str = ",") -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


PROGRAM = """import sys
responses = {"genmove": "pass", "name": "Plain", "version": "1", "protocol_version": "2"}
for line in sys.stdin:
    name = line.split()[0] if line.split() else ""
    print("= " + responses.get(name, "") + "\\n", flush=True)
    if name == "quit":
        break
"""  # a program that speaks GTP and passes
