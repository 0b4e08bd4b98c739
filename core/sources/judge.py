"""The judge of columns and labels: from their values, whether they are what they were taken for.

Tables and folders of every domain are judged here, by `train` and `check` alike, before anything is decoded. What is
implausible is refused with the option that says what is meant; what is merely doubtful becomes a remark.
"""

from __future__ import annotations

import json
from ast import literal_eval
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..problem import DATA, USAGE, Problem
from ..targets import TargetSpec
from .content import Kind
from .source import natural
from .split_names import split_name
from .table import SEVERAL

NAMED = 3  # labels or columns that a message names
FEW_VALUES = 20  # numbers: more different ones are quantities, unless they count classes from 0 or 1
INDICATORS = frozenset({"0", "1", "0.0", "1.0", "True", "False"})  # in a column for each label
SEPARATORS = (SEVERAL, ";", ",", " ")  # of labels in a cell, the most certain one first
NEARLY = 0.95  # share of the cells of a column that are numbers, from which the others are mistakes
ENOUGH = 20  # examples from which labels that hardly recur are no labels
RECURRING = 8  # rows from which the labels of a column must recur
SENTENCE_STARTS = """
i im i'm ive i've the a an it its it's this that these those we he she they you your my our his her there what how why
who when where is are was were in on at of for to with from by and but or if so der die das ein eine ich wir und le la
les un une je il et el los
"""
FUNCTION_WORDS = frozenset(SENTENCE_STARTS.split())
CONTAINER_NAMES = """
image images img imgs picture pictures photo photos jpegimages pngimages jpg jpeg png frame frames
label labels mask masks annotation annotations target targets groundtruth ground_truth gt segmentation segmentations
segmentationclass segmentationobject audio audios wav wavs clip clips recording recordings sound sounds text texts txt
"""
CONTAINERS = frozenset(CONTAINER_NAMES.split())  # names of folders for what lies in them


@dataclass(frozen=True)
class LabelColumn:
    """Where the labels of a source stand: the column of a table, or the first word of lines."""

    title: str  # in messages: "column label", "the first word of each line"
    option: str = ""  # with which the user names it: "--label-column label"; empty where there is none
    confirmed: bool = False  # True if the user named it: its cells are labels, whatever they look like
    names: tuple[str, ...] = ()  # of the columns, several if a target has several cells


# --- columns --------------------------------------------------------------------------------------------------------


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text.strip().lower().lstrip("+-").startswith(("nan", "inf"))


def indicator_columns(rows: Sequence[Sequence[str]], candidates: Iterable[int]) -> list[int]:
    """The columns that hold only 0 and 1, both of them: one-hot or multi-hot labels, if there are several."""
    columns = []
    for index in candidates:
        values = {row[index].strip() for row in rows}
        if values in ({"0", "1"}, {"0.0", "1.0"}, {"True", "False"}):
            columns.append(index)
    return columns if len(columns) > 1 else []


def could_be_labels(values: Sequence[str]) -> bool:
    """Returns True if cells may be labels: not all empty or the same, and recurring if there are enough of them."""
    present = [value for value in values if value]
    if len(values) < RECURRING:
        return bool(present)
    return 2 <= len(set(present)) <= len(present) / 2


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Returns True if the first row of a table names its columns, judged by the cells below it.

    Its cells are short and different; and in a column they are a word above numbers, or stand in the first row only,
    above values that recur.
    """
    names = [cell.strip() for cell in first if cell.strip()]
    if len(names) < 2 or len(set(names)) < len(names) or not all(map(looks_like_a_name, names)) or len(rows) < 3:
        return False
    for index, cell in enumerate(first):
        values = [row[index].strip() for row in rows if row[index].strip()]
        if not cell.strip() or len(values) < 3:
            continue
        if all(map(is_number, values)):
            return True
        counts = Counter(values)
        if len(values) >= RECURRING and cell.strip() not in counts and min(counts.values()) > 1:
            return True
    return False


def looks_like_a_name(cell: str) -> bool:
    """Returns True for a cell that may name a column: short, of few words, no number."""
    return len(cell) < 40 and len(cell.split()) <= 3 and not is_number(cell) and any(map(str.isalpha, cell))


# --- tasks ----------------------------------------------------------------------------------------------------------


def judged(
    texts: Counter[str], column: LabelColumn | None, targets: TargetSpec, location: str
) -> tuple[TargetSpec, str]:
    """The targets with their task: the one that the user names, or that their texts show; and a remark on the latter.

    Raises Problem if the texts show none.
    """
    names = column.names if column is not None else ()
    if targets.task == "multilabel" and len(names) < 2:
        targets = replace(targets, separator=targets.separator or separator_of(texts))
    if targets.task not in (None, "heads"):
        return targets.resolved(targets.task, names), ""
    if column is None:
        return targets.resolved("classify", targets.columns), ""
    given = [entry.task for entry in targets.parsed] or [None] * max(1, len(names))
    remarks, tasks = [], []
    for index, task in enumerate(given):
        part = replace(column, title=f"column {names[index]}") if len(names) > 1 else column
        cells = texts if len(given) == 1 else cells_of(texts, index)
        task, remark = (task, "") if task is not None else task_of_cells(cells, part, location)
        remarks += [remark] * bool(remark)
        tasks.append(task)
    if targets.task == "heads" and len(tasks) < 2:
        raise Problem(f"{location}: heads are several columns of targets; name each with --label-column", USAGE)
    if len(tasks) == 1:
        if tasks == ["multilabel"]:
            targets = replace(targets, separator=targets.separator or separator_of(texts))
        return targets.resolved(tasks[0], targets.columns if tasks == ["classify"] else names), "; ".join(remarks)
    if targets.task != "heads" and set(tasks) == {"regress"}:
        return targets.resolved("regress", names), "; ".join(remarks)
    if (
        targets.task != "heads"
        and set(tasks) == {"classify"}
        and all(set(cells_of(texts, index)) <= INDICATORS for index in range(len(names)))
    ):
        text = f"{column.title}: only 0 and 1, taken as multilabel; --task says something else"
        return targets.resolved("multilabel", names), text
    heads = [f"{name}:{task}" for name, task in zip(names, tasks, strict=True)]
    return targets.resolved("heads", heads), "; ".join(remarks)


def task_of_cells(cells: Counter[str], column: LabelColumn, location: str) -> tuple[str, str]:
    """The task that the cells of a column show, and a remark on one that is not classification. Raises Problem."""
    if several := lists_of_labels(cells):
        count = sum(cells[cell] for cell in several)
        return "multilabel", (
            f"{column.title}: several labels in {count:,} of {cells.total():,} rows, such as {several[0]!r}, taken as "
            "multilabel; --task classify says each is one class"
        )
    if is_quantity(cells, column, location):
        return "regress", (
            f"{column.title}: {len(cells):,} different numbers, taken as regress; --task classify says they are classes"
        )
    return "classify", ""


def cells_of(texts: Mapping[str, int], index: int) -> Counter[str]:
    """The cells of one of several columns, with their counts; empty ones are left out."""
    counts: Counter[str] = Counter()
    for text, count in texts.items():
        if cell := json.loads(text)[index]:
            counts[cell] += count
    return counts


def is_quantity(texts: Counter[str], column: LabelColumn, location: str) -> bool:
    """Returns True if cells are numbers to predict. Raises Problem for a column of numbers and other texts."""
    numbers = Counter({text: count for text, count in texts.items() if is_number(text)})
    if not are_quantities(numbers):
        return False
    if numbers.total() >= NEARLY * texts.total():
        return column.confirmed or not are_identifiers(numbers)
    if 2 * numbers.total() < texts.total():
        return False
    others = [text for text in texts if text not in numbers]
    raise Problem(
        f"{location}: {column.title} holds numbers in {numbers.total():,} of {texts.total():,} rows "
        f"({listed(numbers)}, …) and other texts in the others ({listed(others)}); expected one or the other: correct "
        "them, or take the numbers with --task regress, all texts as classes with --task classify",
        DATA,
    )


def are_identifiers(numbers: Counter[str]) -> bool:
    """Returns True for whole numbers of which none recurs: they may name the rows."""
    return max(numbers.values()) == 1 and all(float(text).is_integer() for text in numbers)


# --- labels ---------------------------------------------------------------------------------------------------------


def one_label(cell: str) -> str:
    """The label in a cell that is a list written as text: `['good']` is good; several are divided by bars."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return cell
    try:
        values = literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell
    return SEVERAL.join(str(value).strip() for value in values)


def refuse_implausible(
    labels: Counter[str],
    column: LabelColumn | None,
    location: str,
    kind: Kind,
    hint: str = "",
    tabulated: bool = False,
) -> None:
    """Raises Problem for labels that are names of splits, lists, quantities, texts or the beginnings of sentences.

    `hint` says where else the labels may stand if folders are none; `tabulated` is True if a table beside the
    folders lists their files.
    """
    if len(labels) < 2 or (column is not None and column.confirmed):
        return
    place = column.title if column else "the folders"
    confirm = ", or say with --task classify that its cells are classes as they are" if column and column.option else ""
    if all(split_name(label) for label in labels):
        raise Problem(
            f"{location}: {place} would give the labels {listed(labels)}, which are names of splits; expected "
            f"{kind.expected}{hint}",
            DATA,
        )
    containers = [label for label in labels if label.lower() in CONTAINERS] if column is None else []
    if containers and (tabulated or len(containers) == len(labels)):
        raise Problem(
            f"{location}: the folders would give the labels {listed(labels)}; folders such as {containers[0]} "
            f"name what lies in them, and no classes; expected {kind.expected}{hint}",
            DATA,
        )
    if several := lists_of_labels(labels):
        count = sum(labels[label] for label in several)
        raise Problem(
            f"{location}: {kind.counted(count)} of {labels.total():,} have several labels, such as {several[0]!r} in "
            f"{place}; expected one label for each {kind.noun}: keep one of them, or take all with --task multilabel"
            f"{confirm}",
            DATA,
        )
    if column is None:  # folders may be called anything
        return
    if are_quantities(labels):
        raise Problem(
            f"{location}: {place} holds {len(labels):,} different whole numbers ({listed(labels)}, …), none of them "
            "twice, as the numbers of rows are; expected a column of labels, or of numbers to predict with --task "
            f"regress: name it with --label-column{confirm}",
            DATA,
        )
    if labels.total() >= ENOUGH and len(labels) > labels.total() / 2:
        raise Problem(
            f"{location}: {place} has {len(labels):,} different labels for {kind.counted(labels.total())} "
            f"({listed(labels)}, …), nearly one for each; expected labels that recur: name their column with "
            f"--label-column{confirm}",
            DATA,
        )
    starts = sum(count for label, count in labels.items() if label.lower() in FUNCTION_WORDS)
    if not column.option and 2 * starts > labels.total():
        raise Problem(
            f"{location}: {place} would give the labels {listed(labels)}, which begin sentences; expected a label in "
            "front of each text, as `spam Free entry`, or a table with a column of labels",
            DATA,
        )


def lists_of_labels(labels: Mapping[str, int]) -> list[str]:
    """The labels that list several others: `a|b`, or divided otherwise where most parts are labels by themselves."""
    separator = separator_of(labels)
    several = [label for label in labels if separator and len(parts_of(label, separator)) > 1]
    return sorted(several, key=natural)


def separator_of(labels: Mapping[str, int]) -> str | None:
    """What stands between the labels in cells with several; None if no cell holds several."""
    for separator in SEPARATORS:
        several = [label for label in labels if len(parts_of(label, separator)) > 1]
        parts = Counter(part for label in several for part in parts_of(label, separator))
        single = sum(part in labels for part in parts)
        # The words of names, Navy Blue and Off White, stand in one name each; labels stand in several lists.
        recurring = sum(count > 1 for count in parts.values()) if separator == " " else len(parts)
        is_list = len(several) > 2 and min(single, recurring) >= len(parts) / 2
        if several and (separator == SEVERAL or is_list):
            return separator
    return None


def parts_of(label: str, separator: str) -> list[str]:
    return [part.strip() for part in label.split(separator) if part.strip()]


def are_quantities(labels: Collection[str]) -> bool:
    """Returns True for many different numbers, unless they count classes: nearly all numbers from 0 or 1 on."""
    if len(labels) <= FEW_VALUES or not all(map(is_number, labels)):
        return False
    numbers = [float(label) for label in labels]
    counting = all(number == int(number) for number in numbers) and min(numbers) in (0, 1)
    return not (counting and max(numbers) < 1.5 * len(numbers))


def listed(labels: Iterable[str]) -> str:
    """The first labels, for a message."""
    return ", ".join(sorted(labels, key=natural)[:NAMED])
