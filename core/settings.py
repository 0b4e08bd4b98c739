"""The settings of training: flat, typed, and each with one default."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .balance import Balance
from .problem import USAGE, Problem, did_you_mean
from .ranges import RANGES, check_range

RENAMED = {"lr_other": "adam_lr"}  # names in settings.toml files that older versions wrote


@dataclass(frozen=True)
class Settings:
    """How a network is trained. A recipe and the command line replace defaults; nothing else does."""

    epochs: int = 10
    batch: int = 128  # examples that go through the network at once
    accumulate: int = 1  # batches whose gradients are summed up in a step
    examples: int = 0  # of an epoch, for sets too large to use whole; 0 uses all
    checked: int = 0  # validation examples after an epoch, evenly from all; 0 uses all
    lr: float = 0.001  # the highest learning rate, after the warm-up
    adam_lr: float = 0.01  # of the parameters that Muon leaves to Adam: dense layers, biases and norms
    optimiser: Literal["adamw", "sgd", "muon"] = "adamw"
    momentum: float = 0.9  # of SGD (Nesterov) and Muon; AdamW's first beta, except for rows of large tables
    weight_decay: float = 0.01  # of weights, not of biases, norms and large tables; Muon keeps filters' norms instead
    l1: float = 0.0  # of weights: each moves towards 0 by this times the learning rate in each step
    schedule: Literal["linear", "cosine", "constant"] = "linear"  # after the warm-up, down to 0
    warmup: float = 0.2  # share of the steps in which the learning rate rises
    smoothing: float = 0.0  # label smoothing
    balance: Balance = "none"  # for rare labels: weights in the loss, more frequent samples, or logit adjustment
    regression_loss: Literal["huber", "squared", "absolute"] = "huber"  # of standardised numbers
    dice: float = 0.0  # of masks: the share of Dice's loss, which weighs labels alike whatever their size
    loss_weights: str = ""  # of heads, "type=2, price=0.5"; 1 for those without
    average: float = 0.0  # decay per step of the exponential moving average of the weights; 0 keeps none
    whiten: bool = False  # the first convolution whitens the patches of the training inputs, and is frozen
    dirac: bool = False  # the other convolutions start as the identity
    rbm: int = 0  # epochs in which each layer before a sigmoid is pre-trained as a restricted Boltzmann machine
    frozen: int = 0  # layers, from the first, whose weights and statistics do not move
    head_first: bool = False  # the last layer is solved on the features of the others before the first step
    lr_first: float = 1.0  # share of the learning rate that the first layer gets; geometric from there to the last
    fixed_norms: bool = False  # batch normalisation keeps the statistics of the initial weights, in training too
    clip: float = 0.0  # the largest norm of the gradient; 0 does not clip
    max_norm: float = 0.0  # the largest norm of a row of a dense layer's weights; 0 sets no limit
    patience: int = 0  # epochs without a better one after which training stops; 0 never stops early
    augment: str = "none"  # the text of the domain's augmentation
    adversarial: float = 0.0  # ε of the adversary of adversarial training; 0 uses none
    seed: int = 0
    device: str = "auto"
    threads: int = 0  # of the CPU; 0 leaves the number to torch
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False  # through torch.compile: minutes at the start, faster steps

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for setting in fields(self):
            value = _typed(setting.name, getattr(self, setting.name), hints[setting.name])
            object.__setattr__(self, setting.name, value)
        for setting in fields(self):
            if setting.name in RANGES:
                check_range(setting.name, getattr(self, setting.name))

    @property
    def step_size(self) -> int:
        """The examples of a step: those of all batches whose gradients are summed up."""
        return self.batch * self.accumulate

    def epoch_of(self, examples: int) -> int:
        """The examples of an epoch, out of so many training examples."""
        return min(self.examples or examples, examples)

    def changed(self, *changes: Mapping[str, Any]) -> Settings:
        """These settings with `changes`, of which later ones override. Raises Problem for an unknown name."""
        known = {setting.name for setting in fields(self)}
        changes = tuple({RENAMED.get(name, name): value for name, value in change.items()} for change in changes)
        for change in changes:
            for name in change:
                if name not in known:
                    close = did_you_mean(name, known)
                    raise Problem(f"{name} is not a setting{close}; the settings are {', '.join(sorted(known))}", USAGE)
        merged: dict[str, Any] = {}
        for change in changes:
            merged |= {name: value for name, value in change.items() if value is not None}
        return replace(self, **merged)


def _typed(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) in (Literal, typing.Literal):
        if value not in get_args(kind):
            close = did_you_mean(str(value), get_args(kind))
            raise Problem(f"{name} is one of {', '.join(get_args(kind))}{close}; got {value!r}", USAGE)
        return value
    if kind is float and type(value) is int:
        check_range(name, value)  # a large integer is no float
        return float(value)
    if type(value) is not kind:
        raise Problem(f"{name} is {_WORDS[kind]}; got {value!r}", USAGE)
    return value


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
