"""Division of examples into training, validation and test by their content, so that a set can grow without changes."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

SPLITS = ("train", "valid", "test")


def position(key: bytes) -> float:
    """A fixed number in [0, 1) for a content: the same on every machine, in every run."""
    return int.from_bytes(blake2b(key, digest_size=8, person=b"neocog split").digest()) / 2**64


def split(keys: Sequence[bytes], labels: Sequence[str], valid: float, test: float) -> tuple[list[str], list[str]]:
    """A split for each example, and the labels that are too rare to divide.

    `keys` are contents, or the groups that must stay together (one patient, one speaker); equal keys share a split.
    `valid` and `test` are shares in [0, 1). Every class is cut at the same positions of the hash, so the shares hold
    in every class up to chance, and an added file moves no other. If chance left a class without a member in a split,
    its nearest member moves there; a class with one member stays in training.
    """
    positions = {key: position(key) for key in keys}
    split_of = {
        key: "test" if value < test else "valid" if value < test + valid else "train"
        for key, value in positions.items()
    }
    members: dict[str, set[bytes]] = {}
    for key, label in zip(keys, labels, strict=True):
        members.setdefault(label, set()).add(key)
    rare = sorted(label for label, keys_of_label in members.items() if len(keys_of_label) == 1)
    fixed = {key for label in rare for key in members[label]}
    split_of |= dict.fromkeys(fixed, "train")
    for _, keys_of_label in sorted(members.items()):
        nearest = sorted(keys_of_label - fixed, key=positions.__getitem__)
        for name, share in (("train", 1.0), ("test", test), ("valid", valid)):
            counts = Counter(split_of[key] for key in keys_of_label)
            movable = [key for key in nearest if counts[split_of[key]] > 1]
            if share and not counts[name] and movable:
                split_of[movable[-1 if name == "train" else 0]] = name
        if nearest and all(split_of[key] != "train" for key in keys_of_label):
            split_of[nearest[-1]] = "train"
    return [split_of[key] for key in keys], rare
