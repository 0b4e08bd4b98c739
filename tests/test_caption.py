"""Captions: the decoder's laws, BLEU and CIDEr-D against other implementations, and a captioner of drawn fields."""

import csv
import itertools
import json
import math
import random
from collections import Counter

import numpy as np
import pytest
import torch
from neocog.core.decoder import END, UNKNOWN, Decoder, teaching
from neocog.core.network import Network, parse
from neocog.core.tasks import Caption
from neocog.core.tasks.caption import words_of
from neocog.core.tasks.caption_metrics import bleu, cider_d
from PIL import Image
from torch import nn

# --- metrics ---------------------------------------------------------------------------------------------------------


def cases(count):
    """Random corpora: candidates, and one to four references of each."""
    rng = random.Random(0)
    for _ in range(count):
        words = [f"w{index}" for index in range(rng.randint(2, 8))]
        sizes = [rng.randint(1, 4) for _ in range(rng.randint(1, 8))]
        sentences = [[rng.choices(words, k=rng.randint(1, 9)) for _ in range(size)] for size in sizes]
        yield [rng.choices(words, k=rng.randint(1, 9)) for _ in sizes], sentences


def ngrams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def slow_bleu(candidates, references):
    """Papineni et al. 2002, section 2.3: clipped precisions, their geometric mean, the brevity penalty."""
    closest = [
        min((abs(len(r) - len(c)), len(r)) for r in refs)[1] for c, refs in zip(candidates, references, strict=True)
    ]
    length, wanted = sum(map(len, candidates)), sum(closest)
    logs, scores = 0.0, []
    for n in range(1, 5):
        hits = total = 0
        for candidate, refs in zip(candidates, references, strict=True):
            for gram in set(ngrams(candidate, n)):
                count = ngrams(candidate, n).count(gram)
                hits += min(count, max(ngrams(reference, n).count(gram) for reference in refs))
            total += len(ngrams(candidate, n))
        logs += math.log((hits + 1e-15) / (total + 1e-9))
        scores.append(math.exp(logs / n) * math.exp(min(0.0, 1 - (wanted + 1e-9) / (length + 1e-15))))
    return scores


def slow_cider(candidates, references):
    """Vedantam et al. 2015, equations 1 to 4, with dense vectors of all n-grams of a length."""
    scores = np.zeros(len(candidates))
    for n in range(1, 5):
        sets = [{gram for reference in refs for gram in ngrams(reference, n)} for refs in references]
        known = sorted({gram for grams in sets for gram in grams} | {g for c in candidates for g in ngrams(c, n)})
        seen = np.array([sum(gram in grams for grams in sets) for gram in known])
        idf = np.log(len(references)) - np.log(np.maximum(1, seen))

        def vector(words, n=n, known=known, idf=idf):
            counts = Counter(ngrams(words, n))
            return np.array([counts[gram] for gram in known]) * idf

        for index, (candidate, refs) in enumerate(zip(candidates, references, strict=True)):
            for reference in refs:
                c, r = vector(candidate), vector(reference)
                product, norms = np.minimum(c, r) @ r, np.linalg.norm(c) * np.linalg.norm(r)
                apart = max(0, len(candidate) - 1) - max(0, len(reference) - 1)
                scores[index] += 10 / 4 / len(refs) * (product / norms if norms else product) * np.exp(-(apart**2) / 72)
    return scores


def test_bleu_and_cider_are_those_of_the_papers_on_a_thousand_random_cases():
    for candidates, references in cases(1000):
        np.testing.assert_allclose(bleu(candidates, references), slow_bleu(candidates, references), atol=1e-9, rtol=0)
        np.testing.assert_allclose(
            cider_d(candidates, references), slow_cider(candidates, references), atol=1e-9, rtol=0
        )


def test_bleu_and_cider_are_those_of_pycocoevalcap_on_a_thousand_random_cases(capsys):
    """Its tokenizer needs Java, its scores of words that are divided by blanks do not."""
    scorers = pytest.importorskip("pycocoevalcap.bleu.bleu"), pytest.importorskip("pycocoevalcap.cider.cider")
    for candidates, references in cases(1000):
        made = {index: [" ".join(words)] for index, words in enumerate(candidates)}
        true = {index: [" ".join(words) for words in refs] for index, refs in enumerate(references)}
        np.testing.assert_allclose(
            bleu(candidates, references), scorers[0].Bleu(4).compute_score(true, made)[0], atol=1e-9
        )
        theirs = scorers[1].Cider().compute_score(true, made)[1]
        np.testing.assert_allclose(cider_d(candidates, references), theirs, atol=1e-9)


def test_a_sentence_that_equals_its_reference_has_the_full_score():
    sentences = [["a", "red", "circle", "here"], ["two", "blue", "squares", "there"]]
    references = [[sentence] for sentence in sentences]
    assert bleu(sentences, references) == pytest.approx([1.0] * 4) and cider_d(sentences, references) == [10.0, 10.0]
    assert cider_d([["a"], []], references)[1] == 0


# --- the decoder -----------------------------------------------------------------------------------------------------


def decoder(beam=1, tokens=5, longest=4, seed=0):
    torch.manual_seed(seed)
    module = Decoder(6, tokens, longest, 8, 2, beam).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.7)
    return module.requires_grad_(False)


def test_a_word_is_predicted_from_the_words_before_it_alone():
    module, x = decoder(), torch.randn(3, 6)
    ids = torch.randint(0, 5, (3, 4))
    for position in range(4):
        changed = ids.clone()
        changed[:, position] = (ids[:, position] + 1) % 5
        before, after = module.logits(x, ids), module.logits(x, changed)
        torch.testing.assert_close(before[:, :, : position + 1], after[:, :, : position + 1])
        assert position == 3 or not torch.allclose(before[:, :, position + 1], after[:, :, position + 1])


def test_teaching_gives_the_true_words_and_ends_with_its_context():
    module, x = decoder(), torch.randn(2, 6)
    ids = torch.tensor([[2, 3, END, -1], [4, END, -1, -1]])
    with teaching(nn.Sequential(module), ids):
        taught = module(x)
    torch.testing.assert_close(taught[:, :, 0], module.logits(x, ids))
    assert module.teacher is None and not torch.allclose(module(x), taught)


def written(module, x):
    """The sentences that a decoder's output says, up to their ends."""
    ids = module(x)[:, :, 0].argmax(1).tolist()
    return [row[: row.index(END) + 1] if END in row else row for row in ids]


def log_probability(module, x, sentence):
    """The sum of the logarithms of the probabilities of the words, computed word by word."""
    total = 0.0
    for position, word in enumerate(sentence):
        ids = torch.tensor([[*sentence[:position], 0]])
        logits = module.logits(x, ids)[0, :, position].clone()
        logits[UNKNOWN] = -1e4
        total += float(logits.log_softmax(0)[word])
    return total


def test_greedy_takes_the_most_probable_word_each_time_and_no_unknown_one():
    module = decoder()
    for x in torch.randn(6, 1, 6):
        sentence: list[int] = []
        while len(sentence) < 4 and END not in sentence:
            logits = module.logits(x, torch.tensor([[*sentence, 0]]))[0, :, len(sentence)].clone()
            logits[UNKNOWN] = -1e4
            sentence.append(int(logits.argmax()))
        assert written(module, x) == [sentence]


def test_a_wide_beam_finds_the_sentence_with_the_largest_mean_log_probability():
    """Against all sentences of four words."""
    module = decoder(beam=200)
    words = [word for word in range(5) if word not in (END, UNKNOWN)]
    sentences = [[*start, END] for n in range(4) for start in itertools.product(words, repeat=n)]
    sentences += [list(start) for start in itertools.product(words, repeat=4)]
    for x in torch.randn(4, 1, 6):
        best = max(sentences, key=lambda sentence: log_probability(module, x, sentence) / len(sentence))
        assert written(module, x) == [best]


def test_a_beam_of_one_is_greedy_and_a_batch_gives_what_single_inputs_give():
    greedy, beam, x = decoder(), decoder(beam=3), torch.randn(7, 6)
    assert torch.equal(greedy.greedy(x), torch.cat([greedy.greedy(x[i : i + 1]) for i in range(7)]))
    assert torch.equal(beam.searched(x), torch.cat([beam.searched(x[i : i + 1]) for i in range(7)]))
    greedy.beam = 1
    assert torch.equal(greedy.searched(x), greedy.greedy(x))


def test_the_beam_is_part_of_the_networks_text():
    text = "flatten, decoder(9, 5, dim=8, beam=4)"
    network = Network((1, 2, 3), parse(text))
    assert str(network) == text and network.output == (9, 1, 5) and network.module()[1].beam == 4


# --- the task --------------------------------------------------------------------------------------------------------


def test_words_are_in_lower_case_without_punctuation():
    assert words_of('A dog\'s "well-kept" ball, 2 of them!') == ["a", "dog's", "well-kept", "ball", "2", "of", "them"]


def test_a_captioner_that_ignores_the_picture_is_no_better_than_with_shuffled_pictures():
    task = Caption(["<end>", "<unknown>", "a", "b", "c"], 3)
    targets = np.array([[2, 3, 0], [2, 4, 0], [3, 4, 0], [4, 2, 0]] * 5)
    same = np.stack([np.stack([[2, 3, 0], [0, 0, 0]])] * 20).astype(np.float32)
    metrics = task.metrics(same, targets)
    assert metrics["shuffled"]["exact"] == metrics["exact"] == 0.25
    assert metrics["shuffled"]["cider"] == pytest.approx(metrics["value"])
    seeing = task.metrics(np.stack([targets, np.zeros_like(targets)], 1).astype(np.float32), targets)
    assert seeing["exact"] == 1.0 and seeing["shuffled"]["exact"] < 0.5


COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230)}


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """Pictures of one colour above another, each with its sentence."""
    folder = tmp_path_factory.mktemp("fields")
    rng = np.random.default_rng(0)
    rows = []
    for index, (top, bottom) in enumerate(list(itertools.permutations(COLOURS, 2)) * 12):
        pixels = np.empty((12, 12, 3))
        pixels[:6], pixels[6:] = COLOURS[top], COLOURS[bottom]
        pixels = np.clip(pixels + rng.normal(0, 10, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        rows.append([f"{index}.png", f"A {top} field above a {bottom} one."])
    write(folder / "fields.csv", rows)
    return folder


def write(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["image", "sentence"], *rows])


SMALL = "conv(8, 3), relu, avgpool(2), flatten, dense(32), relu, decoder(classes, words, dim=32, beam=2)"
TASK = ("--task", "caption", "--label-column", "sentence", "--quiet")


def test_it_learns_to_say_which_colour_is_above_which(fields, tmp_path, command):
    out, picture = tmp_path / "run", fields / "0.png"
    options = ("--network", SMALL, "--epochs", "30", "--batch", "16", "--lr", "0.01", "--out", out)
    code, _, err = command("train", "vision", fields / "fields.csv", *TASK, *options)
    assert code == 0, err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["task"] == "caption" and summary["metric"] == "cider" and summary["exact"] > 0.8
    assert summary["shuffled"]["exact"] < 0.5 and len(summary["bleu"]) == 4
    (row,) = json.loads(command("predict", out, picture, "--json")[1])
    assert row["captions"][0]["text"] == "a red field above a green one" and row["captions"][0]["probability"] > 0.5
    evaluated = command("evaluate", out, fields / "fields.csv")[1]
    assert "sentences of other pictures" in evaluated and "BLEU-1 to 4" in evaluated
    labels = [entry["label"] for entry in json.loads(command("explain", out, picture, "--json")[1])]
    assert labels and set(labels) <= {"a", "red", "field", "above", "green", "one"}
    assert "CIDEr-D" in (out / "report.html").read_text()
    network = json.loads(command("describe", out, "--json")[1])["network"]
    assert network.endswith("decoder(9, 8, dim=32, beam=2)")


REFUSED = {
    "ten thousand words": ("word " * 10_000, "has a sentence of 10,000 words; expected at most 100"),
    "no word": ("?!", "has '?!', in which there is no word; expected a sentence"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_sentences_that_cannot_be_learned_are_refused(text, message, fields, tmp_path, command):
    rows = [[str(fields / f"{index}.png"), f"a {index % 7} thing" if index else text] for index in range(40)]
    write(tmp_path / "table.csv", rows)
    code, _, err = command(
        "train", "vision", tmp_path / "table.csv", *TASK, "--max-bad", "0", "--out", tmp_path / "run"
    )
    assert code == 3 and message in err


def test_one_sentence_for_all_is_refused(fields, tmp_path, command):
    write(tmp_path / "table.csv", [[str(fields / f"{index}.png"), "a thing"] for index in range(40)])
    code, _, err = command("train", "vision", tmp_path / "table.csv", *TASK, "--out", tmp_path / "run")
    assert code == 3 and "all training examples have the same sentence" in err


def test_a_network_that_writes_too_few_words_is_refused(fields, tmp_path, command):
    options = ("--network", "flatten, decoder(classes, 3)", "--out", tmp_path / "run")
    code, _, err = command("train", "vision", fields / "fields.csv", *TASK, *options)
    assert (
        code == 2
        and "sentences have up to 8 words, their end counted, of 9; end it with decoder(classes, words)" in err
    )
