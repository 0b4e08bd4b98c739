"""Where a study is kept, which several processes share: a journal file or a database, with its sampler and pruner."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .. import files
from ..problem import FAILED, USAGE, Problem, shortened
from .study import JOURNAL, PRUNERS, Search

if TYPE_CHECKING:
    import optuna

NAME = "neocog"  # of the study in a journal, which holds one


def opened(search: Search, folder: Path, index: int) -> optuna.Study:
    """The study in a folder, made where there is none. Raises Problem for one of other data or another space."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with files.disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    storage = journal(folder) if search.storage is None else database(search.storage)
    directions: list[Literal["maximize", "minimize"]] = (
        ["maximize"] if search.cost is None else ["maximize", "minimize"]
    )
    study = optuna.create_study(
        study_name=NAME if search.storage is None else folder.name, storage=storage, pruner=pruner_of(search),
        directions=directions, load_if_exists=True,
    )  # fmt: skip
    study.sampler = sampler_of(search, index, len(study.get_trials(deepcopy=False)))
    identity = json.loads(json.dumps(search.identity()))
    known = study.user_attrs.get("identity")
    if known is None:
        study.set_user_attr("identity", identity)
        if search.start:
            study.enqueue_trial(dict(search.start))
    elif known != identity:
        differs = ", ".join(name for name in identity if known.get(name) != identity[name])
        raise Problem(f"{folder} holds a study with other {differs}; name another folder with --out", USAGE)
    return study


def journal(folder: Path) -> optuna.storages.BaseStorage:
    """A journal file. Its lock works on network disks as well (NFS 3). Raises Problem where it cannot be locked."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path = folder / JOURNAL
    with files.disk_errors(path):
        return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


def database(url: str) -> optuna.storages.BaseStorage:
    """A database by its URL. Raises Problem for one that cannot be used."""
    import optuna

    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # of SQLAlchemy, or of the driver that it loads
        reason = shortened(str(error).splitlines()[0])
        raise Problem(f"--storage {shortened(scheme(url))}: the database cannot be used: {reason}", FAILED) from None


def scheme(url: str) -> str:
    """A URL without its user and password."""
    kind, _, rest = url.partition("://")
    return f"{kind}://{rest.rpartition('@')[2]}"


def sampler_of(search: Search, index: int, trials: int) -> optuna.samplers.BaseSampler:
    """The sampler of one process. Processes that share a study draw differently, and one that joins it goes on."""
    import optuna

    seed = search.seed * 1000 + index + 1_000_003 * trials
    match search.sampler:
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed)
        case "nsga":
            return optuna.samplers.NSGAIISampler(seed=seed)
    with warnings.catch_warnings():  # that grouping dimensions by what reaches them is new
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def pruner_of(search: Search) -> optuna.pruners.BasePruner:
    """What ends trials after a short training: asynchronous successive halving (Li et al. 2018, arXiv:1810.05934)."""
    import optuna

    if not search.prunes:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=PRUNERS[search.pruner])
