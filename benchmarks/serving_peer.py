"""LitServe with the network of a run, for benchmarks/serving.py: python serving_peer.py RUN PORT.

Batches as Neocog's server makes them: up to 64 inputs, without waiting. The network is the same, in PyTorch.
"""

import base64
import sys
from typing import Any

import litserve
import neocog
import torch
from neocog.core.inputs import BytesInput


class Content(BytesInput):
    name = "-"


class Peer(litserve.LitAPI):
    def setup(self, device: str) -> None:
        torch.set_num_threads(1)
        self.model = neocog.load(sys.argv[1], "cpu")

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # an annotation would be a query field
        return self.model.windows(Content(base64.b64decode(request["base64"])))

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, windows: list[Any]) -> list[Any]:
        rows: list[dict[str, Any]] = [{"input": "-"} for _ in windows]
        self.model.fill(list(zip(rows, windows, strict=True)), 5)
        return rows

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        return output


if __name__ == "__main__":
    api = Peer(max_batch_size=64, batch_timeout=0.0)
    litserve.LitServer(api, accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error"
    )
