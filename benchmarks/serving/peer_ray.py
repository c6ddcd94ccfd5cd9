"""A peer: Ray Serve around the same bundle, batching on. `python peer_ray.py BUNDLE PORT`."""

import sys
import time

import ray
from ray import serve
from starlette.requests import Request

bundle_folder, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Answers:
    """The bundle, a batch at a time."""

    def __init__(self) -> None:
        from smelt.runtime.bundle import open_bundle

        self.bundle = open_bundle(bundle_folder, threads=threads)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.005)
    async def many(self, asked: list[list[str]]) -> list[list[str]]:
        flat = self.bundle.predict([text for one in asked for text in one])
        found, place = [], 0
        for one in asked:
            found.append(flat[place : place + len(one)])
            place += len(one)
        return found

    async def __call__(self, request: Request) -> dict:
        return {"labels": await self.many((await request.json())["input"])}


ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="ERROR")
serve.start(http_options={"host": "127.0.0.1", "port": port})
serve.run(Answers.bind(), route_prefix="/predict")
while True:
    time.sleep(60)
