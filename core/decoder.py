"""A decoder of sentences: a causal convolutional network over words, conditioned on a row of numbers.

Show-and-tell (Vinyals et al. 2015, arXiv:1411.4555) with convolutions instead of an LSTM, as in Aneja et al. 2018
(arXiv:1711.09151, section 3.2). The numbers are added to every word, where show-and-tell gives them once, before the
first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

END, UNKNOWN = 0, 1  # ids of words: what ends a sentence, and begins it; what is no known word
NEVER = -1e4  # the logit of an unknown word, which is never written
WINDOW = 3  # words that a convolution sees: its own and those before


class CausalBlock(nn.Module):
    """(x + a · σ(b)) / √2 with a and b causal convolutions of x: (B, D, L) -> (B, D, L).

    Position t sees positions up to t (gated linear units: Dauphin et al. 2017, arXiv:1612.08083, section 2).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(dim, 2 * dim, WINDOW)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.conv(F.pad(x, (WINDOW - 1, 0))).chunk(2, 1)
        return (x + values * gates.sigmoid()) * 0.5**0.5  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """(B, K) -> (B, tokens, 1, longest) logits of the words of a sentence.

    With `teacher` (B, longest) ids, each word is predicted from the true words before it; negative ids stand behind the
    end. Without, from those that the decoder has written: the most probable one each time, or with `beam` the sentence
    with the largest mean log-probability that a beam search finds.
    """

    def __init__(self, features: int, tokens: int, longest: int, dim: int, blocks: int, beam: int) -> None:
        super().__init__()
        self.longest, self.beam = longest, beam
        self.table = nn.Embedding.from_pretrained(torch.empty(tokens, dim).uniform_(-0.3, 0.3), freeze=False)
        self.condition = nn.Linear(features, dim)
        self.blocks = nn.ModuleList(CausalBlock(dim) for _ in range(blocks))
        self.output = nn.Linear(dim, tokens)
        self.teacher: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.teacher is not None:
            return self.logits(x, self.teacher).unsqueeze(2)
        with torch.no_grad():
            ids = self.searched(x) if self.beam > 1 else self.greedy(x)
        return self.marked(self.known(self.logits(x, ids)), ids).unsqueeze(2)

    def logits(self, x: Tensor, ids: Tensor) -> Tensor:
        """(B, K) and ids (B, L) -> (B, tokens, L): of each word, given those before it."""
        before = F.pad(ids[:, :-1].clamp_min(END), (1, 0), value=END)
        maps = (self.table(before) + self.condition(x).unsqueeze(1)).transpose(1, 2)
        for block in self.blocks:
            maps = block(maps)
        return self.output(maps.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    def known(self, logits: Tensor) -> Tensor:
        """Logits with that of the unknown word at NEVER: (B, tokens, …)."""
        mask = torch.arange(logits.shape[1], device=logits.device) == UNKNOWN
        return logits.masked_fill(mask.view(1, -1, *[1] * (logits.dim() - 2)), NEVER)

    def next_word(self, x: Tensor, ids: Tensor, position: int) -> Tensor:
        """(B, tokens) log-probabilities of the word at a position."""
        return self.known(self.logits(x, ids[:, : position + 1])[:, :, position]).log_softmax(1)

    def greedy(self, x: Tensor) -> Tensor:
        """(B, longest) ids: the most probable word each time."""
        ids = torch.zeros(x.shape[0], self.longest, dtype=torch.int64, device=x.device)
        ended = torch.zeros_like(ids[:, 0], dtype=torch.bool)
        for position in range(self.longest):
            word = self.next_word(x, ids, position).argmax(1)
            ids[:, position] = torch.where(ended, END, word)
            ended = ended | (word == END)
            if not torch.compiler.is_exporting() and bool(ended.all()):
                break
        return ids

    def searched(self, x: Tensor) -> Tensor:
        """(B, longest) ids by beam search: the most probable beginnings are kept, ended ones beside open ones."""
        count, beam = x.shape[0], self.beam
        x = x.repeat_interleave(beam, 0)
        ids = torch.zeros(count * beam, self.longest, dtype=torch.int64, device=x.device)
        sums = torch.full((count, beam), -torch.inf, device=x.device)
        sums[:, 0] = 0  # at first all beginnings are the same
        ended = torch.zeros(count, beam, dtype=torch.bool, device=x.device)
        lengths = torch.zeros(count, beam, device=x.device)
        for position in range(self.longest):
            steps = self.next_word(x, ids, position).unflatten(0, (count, beam))  # (B, beam, tokens)
            only_end = torch.full_like(steps, -torch.inf)
            only_end[..., END] = 0
            steps = torch.where(ended[..., None], only_end, steps)
            totals = sums[..., None] + steps
            new_lengths = lengths + (~ended)
            means = (totals / new_lengths.clamp_min(1)[..., None]).flatten(1)
            chosen = means.topk(beam, 1).indices
            parent, word = chosen // steps.shape[2], chosen % steps.shape[2]
            sums = totals.flatten(1).gather(1, chosen)
            ids = ids.unflatten(0, (count, beam)).gather(1, parent[..., None].expand(-1, -1, self.longest))
            ids[..., position] = word
            lengths, ended = new_lengths.gather(1, parent), ended.gather(1, parent) | (word == END)
            ids = ids.flatten(0, 1)
            if not torch.compiler.is_exporting() and bool(ended.all()):
                break
        best = (sums / lengths).argmax(1)
        sentences: Tensor = ids.unflatten(0, (count, beam))[torch.arange(count, device=x.device), best]
        return sentences

    def marked(self, logits: Tensor, ids: Tensor) -> Tensor:
        """Logits (B, tokens, L) of which those of the words that were written are the largest."""
        words = ids.unsqueeze(1)
        largest = logits.amax(1, keepdim=True)
        chosen = logits.gather(1, words)
        return logits.scatter(1, words, torch.where(chosen < largest, largest + 1e-3, chosen))


@contextmanager
def teaching(network: nn.Module, targets: Tensor) -> Iterator[None]:
    """Lets the decoders of a network predict each word from the true words (B, L) before it, inside the context."""
    decoders = [module for module in network.modules() if isinstance(module, Decoder)]
    for decoder in decoders:
        decoder.teacher = targets
    try:
        yield
    finally:
        for decoder in decoders:
            decoder.teacher = None
