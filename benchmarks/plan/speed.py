"""How many layouts are judged in a second? A 70-billion decoder on 1,024 H100, five times; prints layouts, seconds and their spread.

    python benchmarks/plan/speed.py

One core, no torch. Costs a few seconds.
"""

import statistics
import time

from smelt.plan.cluster import Cluster
from smelt.plan.constants import Constants
from smelt.plan.hardware import find
from smelt.plan.layout import Work
from smelt.plan.question import Question
from smelt.plan.search import search
from smelt.plan.shape import Shape

LLAMA = Shape(
    layers=80, hidden=8192, heads=64, kv_heads=8, head_width=128, ffn=28672, vocab=128256, gated=True, tied=False, norm_weights=1,
    bias=False, qkv_bias=False,
)  # fmt: skip


def main() -> None:
    question = Question(shape=LLAMA, work=Work(sequence=8192, batch=1024), cluster=Cluster(accelerator=find("H100"), count=1024))
    taken: list[float] = []
    found = 0
    for _ in range(5):
        began = time.perf_counter()
        found = search(question, Constants()).considered
        taken.append(time.perf_counter() - began)
    middle = statistics.median(taken)
    print(f"{found:,} layouts in {middle:.2f} s ({min(taken):.2f} to {max(taken):.2f}): {found / middle:,.0f} per second")


if __name__ == "__main__":
    main()
