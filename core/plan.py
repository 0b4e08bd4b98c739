"""The plan of a training: the command line, the recipe and the defaults, resolved."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from . import device as devices
from . import files, schema, transfer
from .capability import Capability
from .data import DataSpec
from .domain import Domain, Recipe
from .keep import kept_layers
from .layer import Layers
from .model import card_network
from .model_source import ModelSource
from .network import call, check_names, parse
from .problem import DATA, USAGE, Problem, shortened, unusable
from .schema import in_range
from .settings import Settings
from .targets import TargetSpec
from .versions import neocog_version

MIN_STEPS = 25  # of an epoch
LARGE, MAX_EPOCHS = 20_000, 60  # examples from which a recipe's epochs are enough; epochs of a small set at most
PRETRAINED_LR = 0.2  # multiplies a recipe's learning rates for pretrained weights


class SourceTable(TypedDict):
    """The data of a settings.toml: the fields of DataSpec."""

    data: str
    test: NotRequired[str]
    valid: NotRequired[str]
    group_by: NotRequired[str]
    fold_by: NotRequired[str]
    exclude: NotRequired[str]
    unknown: NotRequired[Literal["stop", "skip"]]
    test_share: NotRequired[Annotated[float, in_range("test_share")]]
    valid_share: NotRequired[Annotated[float, in_range("valid_share")]]
    split: NotRequired[Annotated[int, in_range("split")]]
    fold: NotRequired[str]
    max_bad: NotRequired[Annotated[float, in_range("max_bad")]]
    targets: NotRequired[TargetSpec]


class SettingsFile(TypedDict):
    """A settings.toml. The domain checks `options`, core/settings.py `train`."""

    domain: str
    network: str
    source: SourceTable
    neocog: NotRequired[str]
    task: NotRequired[str]
    recipe: NotRequired[str]
    weights: NotRequired[str]
    options: NotRequired[dict[str, Any]]
    train: NotRequired[dict[str, Any]]


@dataclass(frozen=True)
class AugmentationLimits(Capability):
    """Augmentation that some labels forbid, such as flips where one label is "left"."""

    adapt: Callable[[str, list[str]], str]  # the text of the augmentation, labels -> the text to use


@dataclass(frozen=True)
class NetworkDefaults(Capability):
    """The settings of training for a network that the user writes, where those of core/settings.py do not suit."""

    settings: Mapping[str, Any]


@dataclass(frozen=True)
class TaskRecipes(Capability):
    """The default recipes of the tasks whose networks end with something else than a number for each label."""

    defaults: Mapping[str, str]  # by the name of the task
    weights: Mapping[str, str] = field(
        default_factory=dict
    )  # by the name of the task: the pretrained model they start from
    # The task that the files at a path are plainly for, where the user names none.
    task_of: Callable[[str], str | None] = lambda path: None


@dataclass(frozen=True)
class Plan:
    """A training, resolved. The network is a recipe's, or a text in which `classes` is the number of labels."""

    domain: Domain
    source: DataSpec
    settings: Settings
    recipe: str | None = None  # "swift", "mlp(units=64)"
    network: str | None = None  # its text, where it is not the recipe's
    weights: ModelSource | None = None  # what the initial weights are copied from
    keep: str | None = None  # how many first layers, or up to which one; the others give way to a new head
    freeze: bool = False  # whether the kept layers are frozen
    patience_given: bool = True  # whether the user set it; the default of a model gives way where nothing is validated
    minutes: float | None = None  # of training, which decide the epochs
    far: transfer.Far | None = None  # what changes if the data are far from those of `weights`: see core/closeness.py
    # The data and the settings that the user gave, where they named no network: see core/few.py.
    choices: tuple[DataSpec, dict[str, Any]] | None = None
    free: frozenset[str] = frozenset()  # of batch, epochs and augment, those that the user did not set: see `fitted`
    file: Path | None = None  # the settings.toml in which it stands

    @classmethod
    def of(
        cls,
        domain: Domain,
        source: DataSpec,
        recipe: str | None = None,
        network: str | None = None,
        changes: dict[str, Any] | None = None,
        weights: ModelSource | None = None,
        keep: str | None = None,
        freeze: bool = False,
    ) -> Plan:
        """The plan for a recipe or a network text; `changes` are the settings that the user set, or None.

        Without either, the network is that of the model `weights`, or the domain's default recipe. Options of the
        domain are, in this order: set by the user, of a recipe that the user named, of that model, of the recipe.
        `keep` cuts the network (core/keep.py), `freeze` freezes what is kept, by default all. Raises Problem for
        unknown names, for a recipe beside a network, and for what cannot be kept.
        """
        changes = {name: value for name, value in (changes or {}).items() if value is not None}
        if weights is None and (keep is not None or freeze or changes.get("head_first")):
            raise Problem(
                "--keep, --freeze and --head-first are for the layers of a pretrained model; name it, as in "
                "--weights efficientnet-lite0",
                USAGE,
            )
        if freeze and keep is None:
            keep = "all"
        if network is not None and recipe is not None:
            raise Problem("give --recipe or --network, not both", USAGE)
        if network is not None:
            check_names(network)  # raises Problem before the data are read
        pretrained = transfer.pretrained(weights, domain) if weights is not None else transfer.Pretrained()
        named_by_user, given_source = recipe is not None, source
        is_open = recipe is None and network is None and weights is None
        if is_open and (capability := domain.capability(TaskRecipes)):
            task = source.targets.task or capability.task_of(source.data)
            if task is not None and task in capability.defaults:
                recipe = capability.defaults[task]
                weights = pretrained_model(domain, capability.weights.get(task))
                is_open = False
        if keep is not None and weights is not None and weights.is_model and recipe is None and network is None:
            kept_layers(card_network(weights.card), keep, 2)  # raises Problem before the data are read
        # A published model has no settings of its own that its training could go on with.
        tuned = weights is not None and (keep is not None or "head_first" in changes or weights.named is not None)
        far = None
        if network is None and recipe is None:
            recipe, network = pretrained.recipe, pretrained.network
            if weights is not None and "frozen" not in changes:
                far = transfer.far(domain, weights, keep, freeze, changes)
        set_by_user = {name: value for name, value in source.options.items() if value is not None}
        tuning = transfer.tuning(domain, weights, keep, freeze) if tuned and weights else {}
        if network is not None:
            source = replace(source, options={**pretrained.options, **set_by_user})
            defaults = {"augment": domain.recipes[domain.default].settings.get("augment")} | tuning
            written = domain.capability(NetworkDefaults)
            settings = Settings().changed(written.settings if written else {}, defaults if tuned else {}, changes)
            return cls(domain, source, settings, None, network, weights, keep, freeze, "patience" in changes, far=far)
        recipe = recipe or domain.default
        entry, _, _ = find_recipe(domain, recipe)
        tuned = tuned and entry.task is None  # a recipe of a task has settings for its trunk and its head
        form = {name: value for name, value in pretrained.options.items() if name not in entry.free_options}
        defaults = {**form, **entry.options} if named_by_user else {**entry.options, **form}
        settings = Settings().changed(entry.settings)
        if entry.accelerator and devices.choose(changes.get("device", settings.device)).type != "cpu":
            settings = settings.changed(entry.accelerator)
        if tuned:
            settings = Settings(augment=settings.augment).changed(tuning)
        elif weights is not None and entry.task is None:  # a high rate would destroy what is learned already
            lr, adam_lr = settings.lr * PRETRAINED_LR, settings.adam_lr * PRETRAINED_LR
            settings = replace(settings, lr=lr, adam_lr=adam_lr)
        settings = settings.changed(changes)
        source = replace(source, options={**defaults, **set_by_user})
        free = frozenset(({"augment"} if tuned else {"batch", "epochs", "augment"}) - changes.keys())
        choices = (given_source, changes) if is_open else None
        return cls(
            domain,
            source,
            settings,
            recipe,
            None,
            weights,
            keep,
            freeze,
            "patience" in changes,
            far=far,
            choices=choices,
            free=free,
        )

    def fitted(self, examples: int, labels: list[str]) -> Plan:
        """The plan with the settings in `free` adapted to so many training examples of these labels.

        A small set gets smaller batches and more epochs: a recipe's numbers are for tens of thousands of examples, and
        with some hundreds, eight epochs of one batch each would be eight steps.
        """
        batch = min(self.settings.batch, max(16, examples // MIN_STEPS))
        factor = min(5.0, max(1.0, LARGE / examples) ** 0.5)
        epochs = max(self.settings.epochs, min(MAX_EPOCHS, round(self.settings.epochs * factor)))
        limits = self.domain.capability(AugmentationLimits)
        augment = limits.adapt(self.settings.augment, labels) if limits else self.settings.augment
        adapted = {"batch": batch, "epochs": epochs, "augment": augment}
        changes = {name: value for name, value in adapted.items() if name in self.free}
        return replace(self, settings=self.settings.changed(changes), free=frozenset())

    def with_targets(self, targets: TargetSpec) -> Plan:
        """The plan with the targets that its data have, so that they are read in the same way again."""
        return replace(self, source=replace(self.source, targets=targets))

    def layers(
        self, classes: int, constants: Mapping[str, int] | None = None, head_sizes: Mapping[str, int] | None = None
    ) -> Layers:
        """The network's layers for so many labels, with the domain's constants; of the heads, for those of each."""
        constants = constants or {}
        if self.network is not None:
            return parse(self.network, head_sizes, classes=classes, **constants)
        recipe, arguments, keywords = find_recipe(self.domain, str(self.recipe))
        try:
            return recipe.layers(classes, *arguments, **{**constants, **keywords})
        except TypeError as error:
            raise Problem(f"{self.recipe}: {str(error).split('() ')[-1]}", USAGE) from None

    def toml(self, network: str) -> str:
        """The plan as a settings.toml, with the text of its network."""
        import tomlkit

        source = {name: value for name, value in asdict(self.source).items() if value is not None}
        options = source.pop("options")
        source["targets"] = self.source.targets.to_dict()
        document = tomlkit.document()
        document.add(tomlkit.comment("neocog train --settings THIS-FILE runs this again."))
        header = {"neocog": neocog_version(), "domain": self.domain.name, "recipe": self.recipe}
        weights = self.weights and self.weights.text
        for name, value in (header | {"network": network, "weights": weights}).items():
            if value is not None:
                document.add(name, tomlkit.item(value))
        for name, table in (("source", source), ("options", options), ("train", asdict(self.settings))):
            document.add(tomlkit.nl())
            document.add(name, tomlkit.item(table))
        return tomlkit.dumps(document)


def pretrained_model(domain: Domain, name: str | None) -> ModelSource | None:
    """A pretrained model of the domain; None for no name."""
    transferable = domain.capability(transfer.Transferable)
    return ModelSource(name, transferable.pretrained[name]) if name and transferable else None


def find_recipe(domain: Domain, text: str) -> tuple[Recipe, list[Any], dict[str, Any]]:
    """A recipe of the domain, with its arguments and keyword arguments. Raises Problem for an unknown one."""
    name, arguments, keywords = call(text, domain.recipes, f"recipe of {domain.name}")
    return domain.recipes[name], arguments, keywords


def read_settings(path: Path) -> dict[str, Any]:
    """The tables of a settings.toml. Raises Problem if there is none or it is none."""
    text = files.read_text(path, "the settings.toml of a run")
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number with too many digits
        raise Problem(f"{path} cannot be read as TOML: {shortened(str(error), 200)}", DATA) from None
    if not {"domain", "source", "network"} <= tables.keys():
        raise Problem(f"{path} lacks domain, network or source; expected the settings.toml of a run", DATA)
    try:
        schema.check(SettingsFile, tables, exact=True)
    except schema.Mismatch as error:
        raise Problem(f"{path} cannot be used: {error}", DATA) from None
    return tables


def plan_from(
    tables: dict[str, Any],
    domain: Domain,
    changes: dict[str, Any] | None = None,
    find: Callable[[str], ModelSource] = ModelSource,
    file: Path | None = None,
) -> Plan:
    """The plan in the tables of a settings.toml, with `changes` to its training settings.

    `find` gives the model that its weights name; a run that is resumed has no need of it. Raises Problem: wrong use for
    a change, an unusable file for what stands in `file`.
    """
    targets = {"task": tables["task"]} if "task" in tables else {}  # where older versions kept it
    with unusable(file):
        source = DataSpec(**({"targets": targets} | tables["source"]), options=tables.get("options", {}))
        settings = Settings().changed(tables.get("train", {}))
        weights = find(tables["weights"]) if "weights" in tables else None
    settings = settings.changed(changes or {})
    if changes and changes.get("augment") is not None:
        domain.augment(settings.augment, {})  # raises Problem for an unknown augmentation
    return Plan(domain, source, settings, tables.get("recipe"), tables["network"], weights, file=file)
