"""Search speed: the ten nearest of 60,000 vectors of 256 numbers, against torch's product and topk in the same run.

    python benchmarks/search_speed.py [--rows 60000] [--size 256] [--queries 1000] [--rounds 5]

The two alternate; each figure is the median of the rounds in CPU seconds of this process.
"""

import argparse
import time
from statistics import median

import torch
from neocog.core.retrieval.search import nearest, normalized


def plain(queries: torch.Tensor, features: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The product of all queries with all vectors, and the largest of each row."""
    best = (queries @ features.T).topk(count, dim=1)
    return best.values, best.indices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("rows", 60_000), ("size", 256), ("queries", 1000), ("count", 10), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    rng = torch.Generator().manual_seed(0)
    features = normalized(torch.randn(arguments.rows, arguments.size, generator=rng))
    queries = normalized(torch.randn(arguments.queries, arguments.size, generator=rng))
    seconds: dict[str, list[float]] = {"neocog": [], "torch": []}
    for number in range(arguments.rounds + 1):
        results = []
        for name, search in (("neocog", nearest), ("torch", plain)):
            start = time.process_time()
            results.append(search(queries, features, arguments.count))
            if number:  # the first round warms up
                seconds[name].append(time.process_time() - start)
        (values, indices), (expected, expected_indices) = results
        assert torch.equal(indices, expected_indices), "the neighbours differ"
        torch.testing.assert_close(values, expected, atol=1e-6, rtol=0)
    for name, times in seconds.items():
        rate = arguments.queries / median(times)
        print(f"{name:8} {median(times):.3f} CPU s for {arguments.queries:,} queries: {rate:,.0f}/s")
    ratios = [expected / actual for expected, actual in zip(seconds["torch"], seconds["neocog"], strict=True)]
    spread = f"(least {min(ratios):.2f}, most {max(ratios):.2f})"
    print(f"speed relative to torch: {median(ratios):.2f} {spread}; equal neighbours")


if __name__ == "__main__":
    main()
