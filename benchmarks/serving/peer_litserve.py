"""A peer: LitServe around the same bundle, batching on. `python peer_litserve.py BUNDLE PORT`."""

import sys
from itertools import pairwise

import litserve

from smelt.runtime.bundle import open_bundle


class Answers(litserve.LitAPI):
    """The bundle, a batch at a time."""

    def setup(self, device: str) -> None:
        self.bundle = open_bundle(sys.argv[1], threads=int(sys.argv[3]))

    def decode_request(self, request: dict) -> list[str]:
        return request["input"]

    def predict(self, asked: list[list[str]]) -> list[list[str]]:
        flat = self.bundle.predict([text for one in asked for text in one])
        ends = [0]
        for one in asked:
            ends.append(ends[-1] + len(one))
        return [flat[first:last] for first, last in pairwise(ends)]

    def batch(self, inputs: list) -> list:
        return inputs

    def unbatch(self, output: list) -> list:
        return output

    def encode_response(self, output: list[str]) -> dict:
        return {"labels": output}


if __name__ == "__main__":
    api = Answers(max_batch_size=32, batch_timeout=0.005)
    litserve.LitServer(api, accelerator="cpu").run(host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False)
