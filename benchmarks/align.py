"""Pictures and descriptions, and spoken and drawn digits, in one space: what neocog align reaches.

    python benchmarks/align.py grocery GROCERY OUT            # photos and descriptions of 81 products
    python benchmarks/align.py digits FSDD MNIST OUT          # recordings and pictures of digits

`grocery` writes OUT/pairs.csv and trains a model of the descriptions on GloVe's vectors (extra `vectors`). `digits`
writes pictures of MNIST and tables of pairs, and trains a model of each kind, once with all speakers and once without
one, whose recordings are then the test. Both print the commands that they run, and the figures of `neocog align`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GLOVE = "embed(tokens, vectors, static=True), parallel((globalmax,), (globalavg,)), dense(classes)"


def neocog(*arguments: object) -> str:
    """The standard output of a command, which is printed with its name."""
    print("$ neocog", shlex.join(map(str, arguments)), flush=True)
    command = [sys.executable, "-m", "neocog", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def align(*arguments: object) -> None:
    """Prints the figures of an alignment."""
    metrics = json.loads(neocog("align", *arguments, "--json", "--quiet", "--force"))
    parts = {name: metrics[name] for name in ("a_to_b", "b_to_a")}
    if held := metrics.get("held_out"):
        parts |= {f"held out, {name}": held[name] for name in ("among_all", "among_held_out")}
    for name, part in parts.items():
        print(f"  {name}:", ", ".join(figures(part)), flush=True)


def figures(part: dict[str, Any]) -> list[str]:
    texts = [f"{part['inputs']} inputs"] if "inputs" in part else []
    for hit in ("hit@1", "hit@5") if texts else ():
        low, high = part[f"{hit}_interval"]
        texts.append(f"{hit} {part[hit]:.1%} ({low:.1%} to {high:.1%}, chance {part[f'{hit}_chance']:.1%})")
    return [*texts, f"mAP {part['map']:.3f}"] if "map" in part else texts


def grocery(folder: Path, out: Path) -> None:
    with open(folder / "classes.csv", newline="") as file:
        products = {row["fine"]: row for row in csv.DictReader(file)}
    rows = []
    for split in ("train", "test"):
        with open(folder / f"{split}.csv", newline="") as file:
            for row in csv.DictReader(file):
                image = (folder / row["image"]).resolve()
                rows.append([image, products[row["fine"]]["description"], row["fine"], split])
    write(out / "pairs.csv", ("image", "description", "product", "split"), rows)
    texts = [[product["description"], product["coarse"]] for product in products.values()]
    write(out / "descriptions.csv", ("description", "kind"), texts)
    columns = ("--text-column", "description", "--label-column", "kind")
    shares = ("--valid-share", 0, "--test-share", 0)
    text = out / "text"
    if not text.exists():
        network = ("--vectors", "glove-50d", "--network", GLOVE)
        neocog("train", "text", out / "descriptions.csv", *columns, *network, *shares, "--out", text, "--quiet")
    pair = ("efficientnet-lite0", text, out / "pairs.csv", "--label-column", "product", "--out", out / "aligned")
    for loss, seeds in (("infonce", range(3)), ("ranking", range(1))):
        for held_out in (0, 20):
            for seed in seeds:
                align(*pair, "--loss", loss, "--hold-out", held_out, "--seed", seed)


def digits(fsdd: Path, mnist: Path, out: Path) -> None:
    pictures = {split: drawn_digits(mnist, split, out / "pictures") for split in COUNTS}
    if not (out / "vision").exists():
        neocog("train", "vision", out / "pictures", "--recipe", "keras-digits", "--out", out / "vision", "--quiet")
    for name, is_test in (
        ("take", lambda take, speaker: take < 5),
        ("speaker", lambda take, speaker: speaker == SPEAKER),
    ):
        where = "take<5" if name == "take" else f"speaker={SPEAKER}"
        pattern = ("--pattern", "{label}_{speaker}_{take}", "--test-where", where)
        model = out / f"speech-{name}"
        if not model.exists():
            neocog("train", "speech", fsdd / "recordings", *pattern, "--out", model, "--quiet")
        rows = []
        for path in sorted((fsdd / "recordings").glob("*.wav")):
            digit, speaker, take = path.stem.split("_")
            split = "test" if is_test(int(take), speaker) else "train"
            rows.append([path.resolve(), random.choice(pictures[split][digit]).resolve(), digit, split])
        table = out / f"{name}.csv"
        write(table, ("sound", "picture", "digit", "split"), rows)
        columns = ("--columns", "sound,picture", "--label-column", "digit")
        for seed in range(3):
            align(model, out / "vision", table, *columns, "--seed", seed, "--out", out / f"aligned-{name}")


COUNTS = {"train": 300, "test": 60}  # pictures of each digit
SPEAKER = "theo"  # who is left out


def drawn_digits(mnist: Path, split: str, folder: Path) -> dict[str, list[Path]]:
    """Pictures of MNIST as files, some of each digit."""
    from neocog.vision.idx import read_idx
    from PIL import Image

    prefix = "t10k" if split == "test" else "train"
    images = read_idx(mnist / f"{prefix}-images-idx3-ubyte.gz", "images")
    labels = read_idx(mnist / f"{prefix}-labels-idx1-ubyte.gz", "labels")
    paths: dict[str, list[Path]] = {str(digit): [] for digit in range(10)}
    for index, digit in enumerate(labels.tolist()):
        if len(paths[str(digit)]) < COUNTS[split]:
            path = folder / split / str(digit) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[index]).save(path)
            paths[str(digit)].append(path)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("grocery", "digits"))
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    *data, out = arguments.folders
    out.mkdir(parents=True, exist_ok=True)
    random.seed(0)
    {"grocery": grocery, "digits": digits}[arguments.set](*data, out)


if __name__ == "__main__":
    main()
