"""Dividing examples into training, validation and test by what they contain, so that a set can grow without moving."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

PARTS = ("train", "valid", "test")


def place(key: bytes) -> float:
    """A fixed number in [0, 1) for a content: the same on every machine, in every run."""
    return int.from_bytes(blake2b(key, digest_size=8, person=b"neocog split").digest()) / 2**64


def split(keys: Sequence[bytes], labels: Sequence[str], valid: float, test: float) -> tuple[list[str], list[str]]:
    """A part for each example, and the labels that were too rare to divide.

    `keys` are contents, or the groups that must stay together (one patient, one speaker); equal keys share a part.
    `valid` and `test` are shares in [0, 1). Each class is cut at the same places of the hash, so the shares hold in
    every class up to chance, and a further file moves no other one. A class that chance left without a member in a
    part gives its nearest one; a class with one member stays in training.
    """
    places = {key: place(key) for key in keys}
    part_of = {key: "test" if p < test else "valid" if p < test + valid else "train" for key, p in places.items()}
    members: dict[str, set[bytes]] = {}
    for key, label in zip(keys, labels, strict=True):
        members.setdefault(label, set()).add(key)
    rare = sorted(label for label, own in members.items() if len(own) == 1)
    fixed = {key for label in rare for key in members[label]}
    part_of |= dict.fromkeys(fixed, "train")
    for _, own in sorted(members.items()):
        nearest = sorted(own - fixed, key=places.__getitem__)
        for part, share in (("train", 1.0), ("test", test), ("valid", valid)):
            held = Counter(part_of[key] for key in own)
            spare = [key for key in nearest if held[part_of[key]] > 1]
            if share and not held[part] and spare:
                part_of[spare[-1 if part == "train" else 0]] = part
        if nearest and all(part_of[key] != "train" for key in own):
            part_of[nearest[-1]] = "train"
    return [part_of[key] for key in keys], rare
