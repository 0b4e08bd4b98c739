"""Planted near-duplicates: recall and precision of the pairs that `neocog clean` lists.

    python benchmarks/near_duplicates.py DOMAIN DATA [--share 0.05] [--seed 0] [--limit N] [--option NAME=VALUE]

Changed copies of a share of the examples are added, one kind after the other: pictures as JPEG of quality 50, scaled to
90% and back, cropped by 5%, brighter by 20%; sounds at half the loudness, with noise at 30 dB, 50 ms later; texts in
capitals, with one typo. Pairs that are there without them are listed first and count neither way.
"""

import argparse
import io
import time
from dataclasses import replace

import numpy as np
import torch
from neocog import domain as domain_of
from neocog.commands.parsing import parse_assignments
from neocog.core.cleaning.capability import Comparable
from neocog.core.cleaning.neighbours import near_duplicates
from neocog.core.data import DataSpec, Examples
from neocog.core.folds import pooled
from PIL import Image


def pictures(inputs: torch.Tensor, kind: str, rng: np.random.Generator) -> torch.Tensor:
    """(B, C, H, W) uint8 pictures, changed."""

    def change(array: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(array.squeeze())
        width, height = picture.size
        if kind == "jpeg 50":
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=50)
            picture = Image.open(file)
        elif kind == "resize 90%":
            small = picture.resize((round(0.9 * width), round(0.9 * height)), Image.Resampling.BICUBIC)
            picture = small.resize((width, height), Image.Resampling.BICUBIC)
        elif kind == "crop 5%":
            left, top = rng.uniform(0, 0.05, 2) * (width, height)
            box = (left, top, left + 0.95 * width, top + 0.95 * height)
            picture = picture.resize((width, height), Image.Resampling.BICUBIC, box=box)
        else:
            picture = Image.fromarray((np.asarray(picture) * 1.2).clip(0, 255).astype(np.uint8))
        return np.asarray(picture).reshape(height, width, -1)

    rows = [change(row.permute(1, 2, 0).numpy()).transpose(2, 0, 1) for row in inputs]
    return torch.from_numpy(np.stack(rows).copy())


def sounds(inputs: torch.Tensor, kind: str, rng: np.random.Generator, rate: int) -> torch.Tensor:
    """(B, samples) int16 sounds, changed."""
    values = inputs.float()
    if kind == "gain":
        values = values * 0.5
    elif kind == "noise 30 dB":
        power = values.pow(2).mean(1, keepdim=True).sqrt()
        noise = torch.from_numpy(rng.standard_normal(values.shape).astype(np.float32))
        values = values + noise * power * 10 ** (-30 / 20)
    else:
        shift = round(0.05 * rate)
        values = torch.cat([torch.zeros(len(values), shift), values[:, :-shift]], 1)
    return values.round().clamp(-32768, 32767).to(torch.int16)


def text_of(text: str, kind: str, rng: np.random.Generator) -> str:
    """A text in capitals, or with a letter left out, doubled or replaced."""
    if kind == "case":
        return text.upper()
    place = int(rng.integers(1, len(text) - 1))
    letter = "etaoin"[rng.integers(6)]
    return text[:place] + ["", text[place] * 2, letter][rng.integers(3)] + text[place + 1 :]


KINDS = {
    "vision": ("jpeg 50", "resize 90%", "crop 5%", "brightness"),
    "speech": ("gain", "noise 30 dB", "shift 50 ms"),
    "text": ("case", "one typo"),
}


def with_copies(examples: Examples, rows: torch.Tensor, kind: str, domain: str, rate: int, rng) -> Examples:
    """The examples, followed by changed copies of some rows."""
    chosen = examples.subset(rows)
    inputs, originals = chosen.inputs, None
    if domain == "vision":
        inputs = pictures(inputs, kind, rng)
    elif domain == "speech":
        inputs = sounds(inputs, kind, rng, rate)
    else:
        originals = [*examples.originals, *(text_of(text, kind, rng) for text in chosen.originals)]
    return replace(
        examples,
        inputs=torch.cat([examples.inputs[:], inputs]),
        targets=torch.cat([examples.targets, chosen.targets]),
        names=[*examples.names, *(f"{name} ({kind})" for name in chosen.names)],
        lengths=None if examples.lengths is None else torch.cat([examples.lengths, chosen.lengths]),
        originals=originals,
        keys=None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("domain", choices=KINDS)
    parser.add_argument("data")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--option", action="append", default=[])
    arguments = parser.parse_args()
    domain = domain_of(arguments.domain)
    data = domain.load(DataSpec(arguments.data, options=parse_assignments(arguments.option)), None, None)
    examples = pooled(data).subsample(arguments.limit)
    examples = examples.subset(torch.arange(len(examples)))
    comparable = domain.require(Comparable, "near-duplicates")
    start = time.process_time()
    natural = near_duplicates(examples, comparable, data.preprocessing)
    seconds = time.process_time() - start
    print(
        f"{len(examples):,} examples, {len(natural)} pairs of near-duplicates without any planted, {seconds:.1f} CPU s"
    )
    for pair in natural[:8]:
        print(f"  {pair.agreement:.3f} {examples.names[pair.first]}  {examples.names[pair.second]}")
    linked: dict[int, set[int]] = {}
    for pair in natural:
        linked.setdefault(pair.first, {pair.first}).add(pair.second)
        linked.setdefault(pair.second, {pair.second}).add(pair.first)
    rng = np.random.default_rng(arguments.seed)
    rate = int(data.preprocessing.get("rate", 0))
    lengths = [len(text) if text else 0 for text in examples.originals or []]
    usable = [row for row in range(len(examples)) if not lengths or lengths[row] >= 12]
    for kind in KINDS[arguments.domain]:
        rows = torch.from_numpy(np.sort(rng.choice(usable, round(arguments.share * len(examples)), replace=False)))
        planted = with_copies(examples, rows, kind, arguments.domain, rate, rng)
        source_of = {len(examples) + index: int(row) for index, row in enumerate(rows)}
        pairs = near_duplicates(planted, comparable, data.preprocessing)
        hits, wrong, recalled = 0, 0, set()
        for pair in pairs:
            first, second = source_of.get(pair.first, pair.first), source_of.get(pair.second, pair.second)
            if pair.second in source_of and first == second:
                hits += 1
                recalled.add(pair.second)
            elif second not in linked.get(first, ()):
                wrong += 1
        recall, precision = len(recalled) / len(rows), hits / max(1, hits + wrong)
        print(f"{kind:14} {len(rows)} planted: recall {recall:.1%}, precision {precision:.1%} ({wrong} wrong pairs)")


if __name__ == "__main__":
    main()
