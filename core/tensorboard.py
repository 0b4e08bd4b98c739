"""A listener that writes the metrics of a training for TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fit import Begun, EpochEnded, Event, Finished
from .problem import USAGE, Problem

if TYPE_CHECKING:
    from .run import RunFolder


class TensorBoard:
    """Writes event files into the folder `tensorboard` of a run. Raises Problem if the package is not installed."""

    def __init__(self, run: RunFolder) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise Problem("--tensorboard needs a package: pip install 'neocog[tensorboard]'", USAGE) from None
        self.run, self.writer_class = run, SummaryWriter

    def __call__(self, event: Event) -> None:
        if not self.run.leads:
            return
        match event:
            case Begun():
                self.writer = self.writer_class(str(self.run.folder / "tensorboard"))
            case EpochEnded(epoch):
                for split, metrics in (("training", epoch.train), ("validation", epoch.valid)):
                    for name, value in metrics.items():
                        self.writer.add_scalar(f"{name}/{split}", value, epoch.epoch)
                self.writer.add_scalar("learning rate", epoch.lr, epoch.epoch)
                self.writer.add_scalar("seconds", epoch.seconds, epoch.epoch)
            case Finished():
                self.writer.close()
