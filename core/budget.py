"""Epochs for a budget of time: some steps are timed on a copy of the state, which is then put back."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import torch

from .augmentation import augmentation
from .data import Examples
from .feed import measure
from .frozen import features, finite_views
from .train import steps

if TYPE_CHECKING:
    from .fit import Training

TRIAL_STEPS = 4  # of which the first is not timed: it reserves memory
MOST_EPOCHS = 10_000


def fit_epochs(training: Training, minutes: float) -> str:
    """Sets the epochs of a training that has not begun to what fits into so many minutes, at least one; a remark.

    The schedule follows the epochs. What is counted are frozen features, steps and validation; not reading, not the
    metrics and the report at the end.
    """
    trainer, data, plan = training.trainer, training.data, training.plan
    settings = plan.settings
    is_cached = trainer.frozen is not None and not trainer.adversary
    views = finite_views(plan.domain, training.task, settings.augment) if is_cached else None
    state, is_trained = trainer.copy(), trainer.settings
    trainer.settings = replace(settings, epochs=1, examples=0)
    sample = data.train.subsample(TRIAL_STEPS * settings.step_size)
    try:
        seconds_before, count = 0.0, settings.epoch_of(len(data.train))
        if views is not None:
            start = time.perf_counter()
            sample = features(trainer, sample, views[:1])
            trainer.has_features = True
            every = len(data.train) * len(views) + len(data.valid)
            seconds_before = (time.perf_counter() - start) / len(sample) * every
            count *= len(views)
        step = _seconds_of_a_step(training, sample)
        epoch = step * max(1, round(count / settings.step_size)) + _seconds_of_validation(training, sample)
    finally:
        trainer.has_features, trainer.prefetcher, trainer.settings = False, None, is_trained
        trainer.restore(*state)
        trainer.remarks.clear()
    epochs = int(min(MOST_EPOCHS, max(1, (60 * minutes - seconds_before) // epoch)))
    training.plan = replace(plan, settings=replace(settings, epochs=epochs))
    trainer.settings = training.plan.settings
    return f"--minutes {minutes:g}: {epochs:,} epoch{'s' * (epochs > 1)} of about {epoch:.2g} s each"


def _seconds_of_a_step(training: Training, sample: Examples) -> float:
    plan, trainer = training.plan, training.trainer
    extras = {name: value.to(trainer.device) for name, value in training.data.extras.items()}
    nothing = sample.subset(torch.zeros(0, dtype=torch.int64))
    times = [time.perf_counter()]
    for _ in steps(trainer, sample, nothing, augmentation(plan.domain, training.task, plan.settings.augment, extras)):
        times.append(time.perf_counter())
    spans = [after - before for before, after in pairwise(times)]
    return median(spans[1:] or spans)


def _seconds_of_validation(training: Training, sample: Examples) -> float:
    start = time.perf_counter()
    measure(training.trainer, sample)
    return (time.perf_counter() - start) / len(sample) * len(training.data.valid)
