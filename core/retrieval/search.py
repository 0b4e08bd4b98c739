"""Exact nearest neighbours by cosine: products in blocks, and the largest of each row."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

QUERIES = 1024  # rows of a product
COLUMNS = 2048  # of a product: 8 MB with QUERIES rows, which a processor's cache holds
MERGED = 8  # times the number of neighbours: candidates that wait until they are compared
FAISS_FROM = 1_000_000  # rows from which faiss searches, where it is installed


class Neighbours(NamedTuple):
    """The nearest vectors of each query, the most similar first; of equal ones the first in the collection."""

    similarities: Tensor  # (Q, k) float32
    indices: Tensor  # (Q, k) int64


def normalized(features: Tensor) -> Tensor:
    """Vectors scaled to length 1; a zero vector stays zero, so that its cosine with any other is 0."""
    return torch.nn.functional.normalize(features.float(), dim=1, eps=1e-30)


def nearest(queries: Tensor, features: Tensor, count: int) -> Neighbours:
    """The `count` rows of `features` (N, D) with the largest product with each row of `queries` (Q, D).

    Both are normalised, so that products are cosines. The search is exact.
    """
    count = min(count, len(features))
    if len(features) > FAISS_FROM and (faiss := import_faiss()) is not None:
        return _faiss_nearest(faiss, queries, features, count)
    blocks = [_block_nearest(block, features, count) for block in queries.split(QUERIES)]
    if not blocks:
        return Neighbours(torch.empty(0, count), torch.empty(0, count, dtype=torch.int64))
    return Neighbours(torch.cat([s for s, _ in blocks]), torch.cat([i for _, i in blocks]))


def _block_nearest(queries: Tensor, features: Tensor, count: int) -> Neighbours:
    """The nearest rows for at most QUERIES queries."""
    similarities = queries.new_empty(len(queries), 0)
    indices = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(features), COLUMNS):
        products = queries @ features[start : start + COLUMNS].T
        best = products.topk(min(count + 1, products.shape[1]), dim=1)
        similarities = torch.cat([similarities, best.values], 1)
        indices = torch.cat([indices, best.indices + start], 1)
        if similarities.shape[1] > MERGED * count:
            similarities, indices = _largest(similarities, indices, count + 1)
    similarities, indices = _ordered(*_largest(similarities, indices, count + 1))
    if similarities.shape[1] > count:
        for row in (similarities[:, count] == similarities[:, count - 1]).nonzero().flatten().tolist():
            # topk takes any of equal values; a stable sort takes the first.
            order = (features @ queries[row]).sort(descending=True, stable=True)
            similarities[row], indices[row] = order.values[: count + 1], order.indices[: count + 1]
    return Neighbours(similarities[:, :count], indices[:, :count])


def _largest(similarities: Tensor, indices: Tensor, count: int) -> tuple[Tensor, Tensor]:
    best = similarities.topk(min(count, similarities.shape[1]), dim=1)
    return best.values, indices.gather(1, best.indices)


def _ordered(similarities: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """The same neighbours, the most similar first, equal ones in the order of the collection."""
    order = indices.argsort(dim=1, stable=True)
    similarities, indices = similarities.gather(1, order), indices.gather(1, order)
    order = similarities.argsort(dim=1, descending=True, stable=True)
    return similarities.gather(1, order), indices.gather(1, order)


def import_faiss() -> Any:
    """The library faiss (the extra `faiss`), or None."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def _faiss_nearest(faiss: Any, queries: Tensor, features: Tensor, count: int) -> Neighbours:
    index = faiss.IndexFlatIP(features.shape[1])
    index.add(features.cpu().numpy())
    similarities, indices = index.search(queries.cpu().numpy(), count)
    return Neighbours(*_ordered(torch.from_numpy(similarities), torch.from_numpy(indices)))
