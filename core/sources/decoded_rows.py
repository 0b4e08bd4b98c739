"""Decoding every example of a manifest once, into rows that are then written in the order of the splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

from ..data import Progress
from ..native_output import native_stderr
from ..split import SPLITS
from .cache import Index
from .content import Content, Kind
from .manifest import NAMED, BadSample, Manifest, divide, order_labels, rare_remarks
from .parallel import Watched, in_parallel

REPORTED = 100  # examples between two reports of progress
IN_MEMORY = 1 << 28  # bytes of decoded rows that wait in memory for their order; more of them go to the disk


class Decoded(NamedTuple):
    """An example as a row and the digest of its file, or the reason why there is none."""

    digest: bytes
    row: bytes | None
    reason: str = ""
    info: Any = None  # for the domain, about the example before it was changed; also for one that cannot be used


class RowStore:
    """Decoded rows in the order in which they came, in memory up to IN_MEMORY bytes, then in a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(IN_MEMORY, dir=str(folder))  # noqa: SIM115 - closed by __exit__
        self.clear()

    def __enter__(self) -> RowStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def clear(self) -> None:
        self.size = 0
        self.ranges: list[tuple[int, int]] = []  # start and length of each row
        self.file.truncate(0)

    def append(self, row: bytes) -> None:
        self.file.seek(self.size)
        self.file.write(row)
        self.ranges.append((self.size, len(row)))
        self.size += len(row)

    def __getitem__(self, index: int) -> bytes:
        start, length = self.ranges[index]
        self.file.seek(start)
        return self.file.read(length)


@dataclass
class DecodedSamples:
    """The samples that could be decoded: their indices in the manifest and the digests of their files."""

    indices: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    bad: list[BadSample] = field(default_factory=list)


def decode_all(
    manifest: Manifest,
    contents: Iterable[tuple[int, Content]],
    decode: Callable[[int, Content], Decoded],
    store: RowStore,
    note: Callable[[Any], object],
    progress: Progress | None,
) -> DecodedSamples:
    """Decodes the contents in parallel, every file read once, into `store`; `note` gets the info of each in order."""
    samples = DecodedSamples()
    with native_stderr() as output:
        watched = Watched(decode, output)
        for count, (index, decoded) in enumerate(in_parallel(contents, watched), 1):
            if decoded.info is not None:
                note(decoded.info)
            if decoded.row is None:
                samples.bad.append(manifest.bad_sample(index, decoded.reason))
            else:
                store.append(decoded.row)
                samples.indices.append(index)
                samples.digests.append(decoded.digest)
            report_progress(progress, count, len(manifest.samples))
        add_decoder_remarks(manifest, watched)
    return samples


def add_decoder_remarks(manifest: Manifest, watched: Watched) -> None:
    """Adds what compiled decoders wrote to standard error to the remarks of a manifest, with the names of the files."""
    reports = watched.reports(manifest.contents)
    if not reports:
        return
    named = "; ".join(f"{manifest.display_name(index)} ({text})" for index, text in reports[:NAMED])
    more = f" and {len(reports) - NAMED:,} more" if len(reports) > NAMED else ""
    remark = f"the decoder reports defects in {manifest.kind.counted(len(reports))}: {named}{more}"
    if remark not in manifest.remarks:
        manifest.remarks.append(remark)


def report_progress(progress: Progress | None, count: int, total: int) -> None:
    if progress and (count % REPORTED == 0 or count == total):
        progress(count, total)


def build_index(manifest: Manifest, decoded: DecodedSamples) -> tuple[Index, list[int]]:
    """The index without the preprocessing of the domain, and the order of the decoded rows by their splits."""
    samples = [manifest.samples[index] for index in decoded.indices]
    splits, rare = divide(manifest, samples, decoded.digests)
    order = sorted(range(len(samples)), key=lambda row: (SPLITS.index(splits[row]), decoded.indices[row]))
    labels = order_labels({sample.label for sample in samples}, manifest.label_order)
    targets = {label: target for target, label in enumerate(labels)}
    remarks = rare_remarks(samples, rare, manifest.kind) + split_remarks(splits, decoded.digests, manifest.kind)
    index = Index(
        names=[samples[row].name for row in order],
        sources=[manifest.source_indices[decoded.indices[row]] for row in order],
        labels=labels,
        targets=[targets[samples[row].label] for row in order],
        digests=[decoded.digests[row].hex() for row in order],
        groups=[samples[row].group or "" for row in order],
        splits={split: splits.count(split) for split in SPLITS},
        given_splits=manifest.given_splits,
        target_spec=manifest.targets.to_dict(),
        bad=manifest.bad + decoded.bad,
        remarks=manifest.remarks + remarks,
    )
    return index, order


def split_remarks(splits: Sequence[str], digests: Sequence[bytes], kind: Kind) -> list[str]:
    """Remarks on the division into splits."""
    remarks = []
    splits_of = defaultdict(set)
    for split, digest in zip(splits, digests, strict=True):
        splits_of[digest].add(split)
    if count := sum(len(names) > 1 for names in splits_of.values()):
        remarks.append(
            f"{kind.counted(count)} in more than one split, byte for byte, which inflates the metrics; check lists them"
        )
    return remarks
