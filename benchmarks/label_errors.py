"""Planted label errors: how well they are found, beside cleanlab on the same probabilities.

    python benchmarks/label_errors.py measure DOMAIN DATA RECIPE OUT.npz [--seed 0] [--part all] [--set epochs=4]
    python benchmarks/label_errors.py score OUT.npz

`measure` changes 5% of the labels to another one at random, trains RECIPE on 5 folds and keeps the out-of-fold
probabilities. `score` ranks the examples by self-confidence and by normalised margin, here and by cleanlab where it is
installed (`score` needs numpy, scikit-learn and cleanlab only), and prints the area under the precision-recall curve
and the precision at the number planted, of the ranking and of the suspects.
"""

import argparse
import time
from pathlib import Path

import numpy as np

SHARE = 0.05


def planted(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """The labels, of which SHARE are changed to another one."""
    rng = np.random.default_rng(seed)
    changed = labels.copy()
    indices = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    changed[indices] = (labels[indices] + rng.integers(1, classes, len(indices))) % classes
    return changed


def parsed(texts: list[str]) -> dict[str, object]:
    from neocog.commands.parsing import parse_assignments

    return parse_assignments(texts)


def measure(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    import torch
    from neocog import domain as domain_of
    from neocog.core.cleaning.clean import trained_probabilities
    from neocog.core.data import DataSpec
    from neocog.core.folds import folds, keys_of, pooled
    from neocog.core.plan import Plan

    domain = domain_of(arguments.domain)
    source = DataSpec(arguments.data, options=parsed(arguments.option))
    plan = Plan.of(domain, source, arguments.recipe, changes={"seed": arguments.seed, **parsed(arguments.set)})
    data = domain.load(plan.source, None, None)
    if arguments.part != "all":
        nothing = data.train.subset(torch.empty(0, dtype=torch.int64))
        chosen = data.splits[arguments.part]
        data = replace(data, train=chosen, valid=nothing, test=nothing)
    examples = pooled(data)
    true = examples.targets.numpy().copy()
    examples.targets = torch.from_numpy(planted(true, len(data.labels), arguments.seed))
    fold_of = folds(keys_of(examples), examples.targets.tolist(), 5, arguments.seed)
    start = time.process_time()
    predict = trained_probabilities(plan, torch.device("cpu"), lambda: False, lambda done, total: None)
    probabilities, _ = predict(data, examples, fold_of)
    seconds = time.process_time() - start
    labels = examples.targets.numpy()
    np.savez(arguments.out, probabilities=probabilities, labels=labels, true=true, seconds=seconds)
    print(f"{arguments.out}: {len(labels):,} examples, {int((labels != true).sum())} planted, {seconds:.0f} CPU s")


def score(arguments: argparse.Namespace) -> None:
    from neocog.core.cleaning import label_errors
    from sklearn.metrics import average_precision_score

    arrays = np.load(arguments.out)
    probabilities, labels, true = arrays["probabilities"], arrays["labels"], arrays["true"]
    wrong = labels != true
    rankings = {
        "self-confidence": label_errors.self_confidence(probabilities, labels),
        "normalised margin": label_errors.normalized_margin(probabilities, labels),
    }
    flagged = {"neocog": label_errors.suspects(probabilities, labels)}
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        pass
    else:
        for name, method in (("self-confidence", "self_confidence"), ("normalised margin", "normalized_margin")):
            scores = get_label_quality_scores(labels, probabilities.astype(np.float64), method=method)
            rankings[f"{name}, cleanlab"] = scores
        for method in ("confident_learning", "prune_by_noise_rate"):
            flagged[f"cleanlab, {method}"] = find_label_issues(labels, probabilities, filter_by=method, n_jobs=1)
    accuracy = (probabilities.argmax(1) == true).mean()
    print(f"{Path(arguments.out).stem}: {len(labels):,} examples, {wrong.sum()} planted, accuracy {accuracy:.2%}")
    for name, scores in rankings.items():
        first = np.argsort(scores, kind="stable")[: wrong.sum()]
        area = average_precision_score(wrong, -scores)
        print(f"  {name:28} AUPRC {area:.4f}, precision at {wrong.sum()}: {wrong[first].mean():.3f}")
    for name, mask in flagged.items():
        shares = f"precision {wrong[mask].mean():.3f}, recall {mask[wrong].mean():.3f}"
        print(f"  suspects of {name:28} {mask.sum():5,}: {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    for name in ("domain", "data", "recipe", "out"):
        measuring.add_argument(name)
    measuring.add_argument("--seed", type=int, default=0)
    measuring.add_argument("--part", default="all")
    measuring.add_argument("--set", action="append", default=[])
    measuring.add_argument("--option", action="append", default=[])
    measuring.set_defaults(run=measure)
    scoring = commands.add_parser("score")
    scoring.add_argument("out")
    scoring.set_defaults(run=score)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
