"""Dividing examples into training, validation and test by what they contain, so that a set can grow without moving."""

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
    places = [place(key) for key in keys]
    parts = ["test" if p < test else "valid" if p < test + valid else "train" for p in places]
    part_of = dict(zip(keys, parts, strict=True))
    rare = []
    members: dict[str, dict[bytes, float]] = {}
    for key, label, at in zip(keys, labels, places, strict=True):
        members.setdefault(label, {})[key] = at
    for label, at_of in sorted(members.items()):
        nearest = sorted(at_of, key=at_of.__getitem__)
        if len(nearest) == 1:
            part_of[nearest[0]] = "train"
            rare.append(label)
            continue
        for part, share in (("test", test), ("valid", valid)):
            in_training = [key for key in nearest if part_of[key] == "train"]
            if share and all(part_of[key] != part for key in nearest) and len(in_training) > 1:
                part_of[in_training[0]] = part
        if all(part_of[key] != "train" for key in nearest):
            part_of[nearest[-1]] = "train"
    return [part_of[key] for key in keys], rare
