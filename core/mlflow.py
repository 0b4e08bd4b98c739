"""A listener that logs a training to MLflow: its settings, the metrics of each epoch, and whether it ended."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from .fit import Begun, EpochEnded, Event, Finished
from .problem import FAILED, USAGE, Problem, shortened

if TYPE_CHECKING:
    from .run import RunFolder

EXPERIMENT = "neocog"


class MLflow:
    """Logs a run to a folder (MLflow's file store), or to a tracking server or database by its URI.

    The leading process alone logs. Raises Problem if the package is not installed or the store cannot be used.
    """

    def __init__(self, run: RunFolder, store: str) -> None:
        # MLflow keeps its file store, which needs no server, behind this switch (version 3.17).
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no network access unless the store is on one
        try:
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise Problem("--mlflow needs a package: pip install 'neocog[mlflow]'", USAGE) from None
        self.run, self.store = run, store
        try:
            self.client = MlflowClient(store if "://" in store else os.path.abspath(store))
            experiment = self.client.get_experiment_by_name(EXPERIMENT)
            self.experiment = experiment.experiment_id if experiment else self.client.create_experiment(EXPERIMENT)
        except (MlflowException, OSError, ImportError) as error:
            reason = shortened(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
            raise Problem(f"--mlflow {store} cannot be used: {reason}; expected a folder or a URI", FAILED) from None

    def __call__(self, event: Event) -> None:
        if not self.run.leads:
            return
        match event:
            case Begun(training):
                started = self.client.create_run(self.experiment, run_name=self.run.folder.name)
                self.id = started.info.run_id
                plan = training.plan
                settings = {"domain": plan.domain.name, "task": training.task.name, "data": plan.source.data}
                for name, value in {**settings, "recipe": plan.recipe, **asdict(plan.settings)}.items():
                    self.client.log_param(self.id, name, value)
                self.client.log_param(self.id, "network", str(training.network))
            case EpochEnded(epoch):
                for name, value in epoch.to_dict().items():
                    if name != "epoch":
                        self.client.log_metric(self.id, name, float(value), step=epoch.epoch)
            case Finished(complete=complete):
                self.client.set_terminated(self.id, "FINISHED" if complete else "KILLED")
