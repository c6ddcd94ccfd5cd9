"""Published measurements in the schema of `rows.csv`, turned into what the planner asks for. What a row leaves out is assumed, and said."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import gcd
from pathlib import Path

from smelt.errors import SmeltError, UsageFault
from smelt.plan.cluster import Cluster
from smelt.plan.hardware import Accelerator, find
from smelt.plan.layout import Layout, Recompute, Sharding, Work
from smelt.plan.shape import Shape
from smelt.plan.software import CURRENT, MEGATRON_2021, PYTORCH, Software

LONGEST = 1000
"""Stages of a pipeline whose layers are not stated."""
BF16_OPTIMIZER = 895
"""Line of BLOOM's chronicles from which gradients are summed in four bytes, before in two, and the embedding and the head count as blocks
of a pipeline (section "Rebalancing layers")."""
LADDER = (
    (16, 2048, 8192, 32),
    (28, 3072, 8192, 24),
    (32, 4096, 14336, 32),
    (48, 6144, 24576, 48),
    (80, 8192, 28672, 64),
    (126, 16384, 53248, 128),
)
"""Layers, hidden, ffn and heads of gated decoders, for rows that name nothing but a number of weights."""


@dataclass
class Row:
    """One measurement: the question, the answer, and what had to be assumed. `seconds` and `memory_gib` are None where they are not
    stated."""

    name: str
    family: str
    group: tuple[object, ...]
    """Rows that differ in layout alone share it."""
    shape: Shape
    work: Work
    layout: Layout
    cluster: Cluster
    software: Software
    seconds: float | None
    memory_gib: float | None
    out_of_memory: bool
    first_stage: bool = False
    """Was the memory read on the pipeline's first stage alone?"""
    assumed: list[str] = field(default_factory=list)


def read(path: Path) -> Iterator[Row | tuple[str, str]]:
    """Yield a Row for each line, or the row's name and the reason why there is none."""
    csv.field_size_limit(2**31 - 1)  # a note may be long
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for line in csv.DictReader(file):
            try:
                yield _row(defaultdict(str, {key: (value or "").strip() for key, value in line.items() if key}))
            except (ValueError, KeyError, ArithmeticError, SmeltError) as error:
                yield line.get("row_id") or "?", f"{type(error).__name__}: {error}"


def family(name: str) -> str:
    """Return what stands before the last dash of a row's name."""
    return name.rsplit("-", 1)[0]


def _row(line: dict[str, str]) -> Row:
    assumed: list[str] = []
    gpu = _accelerator(line["accelerator"], assumed)
    shape, sequence = _shape(line, assumed), int(_number(line, "seq") or 0)
    if not sequence:
        sequence = 4096
        assumed.append("sequence: 4096")
    layout = _layout(line, assumed)
    if "hsdp" in line["dp_shard"].lower():
        layout = replace(layout, shard=gcd(layout.data, max(1, gpu.domain // layout.tensor)))
        assumed.append("weights sharded within a node")
    count = int(_number(line, "n_gpus") or layout.ranks)
    batch = int(_number(line, "gbs") or layout.data * layout.micro_batch)
    stated = int(_number(line, "dp") or layout.data)
    if layout.data != stated:
        batch = batch * layout.data // stated
        assumed.append(f"{layout.data} replicas, as the accelerators give, not {stated}")
    software = _software(line, gpu.generation, shape)
    if "padding removed" in line["notes"]:
        # Half of 512 tokens are padding (arXiv 2107.02027); bins of 64 tokens keep half a bin of it.
        real = 0.56 if sequence >= 512 else 0.83
        assumed.append(f"share of tokens that are not padding: {real}")
        sequence = round(real * sequence)
    work = Work(sequence=sequence, batch=batch, precision=_precision(line["precision"], assumed))
    memory = line["mem_gib"].upper()
    group = (family(line["row_id"]), line["model"], gpu.name, work, count, shape.hidden, shape.layers, shape.heads)
    return Row(
        name=line["row_id"], family=family(line["row_id"]), group=group, shape=shape, work=work, layout=layout, software=software,
        cluster=_cluster(line, gpu, count), assumed=assumed, seconds=_seconds(line, shape, work, count),
        memory_gib=None if memory in ("", "OOM") else _number(line, "mem_gib"), out_of_memory=memory == "OOM",
        first_stage="nanotron" in line["source"],
    )  # fmt: skip


def _accelerator(name: str, assumed: list[str]) -> Accelerator:
    """By its name; by the first words of it, where the rest says how it was set up; H100-80GB where the row does not say."""
    if not re.match(r"[A-Za-z]", name):
        assumed.append("accelerator: H100-80GB")
        return find("H100-80GB")
    words = name.split("-")
    for number in range(len(words), 1, -1):
        try:
            return find("-".join(words[:number]))
        except UsageFault:
            assumed.append(f"accelerator: {'-'.join(words[: number - 1])}")
    return find(words[0])


def _precision(stated: str, assumed: list[str]) -> str:
    """What stands before a dash: `fp16-amp`."""
    name = stated.lower().split("-")[0]
    if name in ("fp32", "fp16", "bf16", "fp8"):
        return name
    assumed.append(f"precision: bf16, not '{stated}'")
    return "bf16"


def _flag(line: dict[str, str], key: str, guess: str, assumed: list[str]) -> bool:
    """Where a row does not say, by the words of `guess` in the model's name."""
    if line[key]:
        return _number(line, key) == 1
    found = re.search(guess, line["model"].lower()) is not None
    assumed.append(f"{key}: {int(found)}")
    return found


def _shape(line: dict[str, str], assumed: list[str]) -> Shape:
    gated = _flag(line, "gated_mlp", "llama|mi[sx]tral|qwen|gemma|yi-|deepseek", assumed)
    causal = _flag(line, "causal", "^(?!.*bert)", assumed)
    vocab = int(_number(line, "vocab") or 51200)
    if not line["vocab"]:
        assumed.append("vocabulary: 51,200")
    billions, hidden, layers = _billions(line), int(_number(line, "hidden") or 0), int(_number(line, "layers") or 0)
    if not hidden:
        return _near(billions, line, assumed)
    ffn = int(_number(line, "ffn") or 4 * hidden)
    if not layers and not billions:
        raise ValueError("neither layers nor a number of weights")
    if not layers:
        layers = max(1, round((billions * 1e9 - vocab * hidden) / ((4 + (3 if gated else 2) * ffn / hidden) * hidden**2)))
        assumed.append(f"layers: {layers}")
    heads = int(_number(line, "heads") or 64)
    if not line["heads"]:
        assumed.append("heads: 64")
    width = max(1, round(hidden / heads))
    return Shape(
        layers=layers, hidden=hidden, heads=heads, kv_heads=int(_number(line, "kv_heads") or heads), head_width=width, ffn=ffn, vocab=vocab,
        gated=gated, causal=causal, tied=not gated, norm_weights=1 if gated else 2, bias=not gated, qkv_bias=not gated,
        head_share=1.0 if causal else 0.16,
    )  # fmt: skip


def _near(billions: float, line: dict[str, str], assumed: list[str]) -> Shape:
    """The gated decoder of the ladder whose number of weights is nearest to the one stated."""
    if not billions:
        raise ValueError("neither sizes nor a number of weights")
    found: list[tuple[float, Shape]] = []
    for layers, hidden, ffn, heads in LADDER:
        for vocab in (131072, 32000):
            for groups in (1, 4, 8):
                for tied in (True, False):
                    shape = Shape(
                        layers=layers, hidden=hidden, heads=heads, kv_heads=heads // groups, head_width=hidden // heads, ffn=ffn,
                        vocab=int(_number(line, "vocab") or vocab), gated=True, tied=tied, norm_weights=1, bias=False, qkv_bias=False,
                    )  # fmt: skip
                    found.append((abs(shape.weights / (billions * 1e9) - 1.0), shape))
    distance, best = min(found, key=lambda pair: pair[0])
    assumed.append(f"sizes: {best.layers} layers of {best.hidden}, {100 * distance:.1f} % off the weights stated")
    return best


def _billions(line: dict[str, str]) -> float:
    stated = _number(line, "params_b")
    if stated:
        return stated
    match = re.search(r"([\d.]+)\s*([bBmM])\b", line["model"])
    return float(match[1]) / (1000 if match[2] in "mM" else 1) if match else 0.0


def _layout(line: dict[str, str], assumed: list[str]) -> Layout:
    tensor, pipeline, context = (int(_number(line, key) or 1) for key in ("tp", "pp", "cp"))
    count = int(_number(line, "n_gpus") or 0)
    data = int(_number(line, "dp") or 0)
    if not data or (count and data * tensor * pipeline * context != count):
        data = max(1, count // (tensor * pipeline * context))
    if pipeline > (int(_number(line, "layers")) or LONGEST):
        raise ValueError(f"more stages than layers: pp {pipeline}")
    virtual = max(1, int(_number(line, "vp") or 1))
    batch = int(_number(line, "gbs") or data)
    micro = int(_number(line, "mbs") or 1)
    if not line["mbs"]:
        assumed.append("micro-batch: 1")
    kind = re.sub(r"[^a-z0-9]", "", line["dp_shard"].lower())
    sharding: Sharding = "none"
    if any(word in kind for word in ("fsdp", "hsdp", "zero3", "fullyshard", "fullshard")):
        sharding = "gradients" if "gradop" in kind or "zero2" in kind else "full"
    elif "zero2" in kind:
        sharding = "gradients"
    elif any(word in kind for word in ("zero1", "distopt", "distributedopt")):
        sharding = "optimizer"
    recompute: Recompute = "none"
    again = line["recompute"].lower()
    if again.startswith(("full", "selective")):
        recompute = "full" if again.startswith("full") else "selective"
    unstated = not line["vp"] or "layout from title only" in line["notes"] or (virtual == 1 and "dgxc-benchmarking" in line["source"])
    if pipeline > 1 and unstated:
        virtual = -(-int(_number(line, "layers") or pipeline) // pipeline)
        assumed.append(f"virtual stages: {virtual}, one block each")
    return Layout(
        tensor=tensor, pipeline=pipeline, context=context, data=data, sharding=sharding, virtual=virtual if pipeline > 1 else 1,
        micro_batch=max(1, min(micro, -(-batch // data))), recompute=recompute, sequence_parallel=_sequence_parallel(line, tensor, assumed),
        schedule="interleaved" if virtual > 1 and pipeline > 1 else "1f1b", expert=int(_number(line, "ep") or 1),
    )  # fmt: skip


def _sequence_parallel(line: dict[str, str], tensor: int, assumed: list[str]) -> bool:
    """Where a row does not say, as current stacks have it: on wherever tensors are split."""
    if not line["seq_parallel"] and tensor > 1:
        assumed.append("norms split along the sequence")
    return _number(line, "seq_parallel") == 1 if line["seq_parallel"] else tensor > 1


def _software(line: dict[str, str], generation: int, shape: Shape) -> Software:
    """Stacks of the time: sharded by PyTorch, on Hopper and later, or with a distributed optimizer, attention is fused and gradients
    travel early."""
    kind = line["dp_shard"].lower()
    if "fsdp" in kind or "hsdp" in kind:
        return PYTORCH
    if "nanotron" in line["source"]:
        return replace(PYTORCH, gradient_bytes=4, fused=False, balanced=True)
    if generation >= 2022 or "dist-opt" in kind:
        return CURRENT
    if not shape.causal:
        return replace(MEGATRON_2021, overlap=True)
    chronicle = re.search(r"tr11-176B-ml/chronicles-prequel\.md:L(\d+)", line["source"])
    if chronicle and int(chronicle[1]) >= BF16_OPTIMIZER:
        return replace(MEGATRON_2021, gradient_bytes=4, beside_bytes=4.0, embedding_slots=True)
    return MEGATRON_2021 if chronicle or line["precision"].startswith("fp16") else replace(MEGATRON_2021, gradient_bytes=4)


def _seconds(line: dict[str, str], shape: Shape, work: Work, count: int) -> float | None:
    """Measured, or from tokens per second, or from FLOP/s by the formula that the row names."""
    stated, rate, flops = _number(line, "step_time_s"), _number(line, "tokens_per_s_per_gpu"), _number(line, "tflops_per_gpu")
    if stated:
        return stated
    if rate:
        return work.tokens / (rate * count)
    if not flops:
        return None
    kind = line["tflops_kind"]
    if kind.startswith("hardware"):
        layers, hidden = shape.layers, shape.hidden
        done = 96.0 * work.batch * work.sequence * layers * hidden**2
        done *= 1 + work.sequence / (6 * hidden) + shape.vocab / (16 * layers * hidden)
    else:
        counted = replace(shape, causal=False) if "full" in kind else shape
        done = counted.flops(work.tokens, work.sequence)
    return done / (flops * 1e12 * count)


def _cluster(line: dict[str, str], gpu: Accelerator, count: int) -> Cluster:
    """The accelerator's own wires, or what the source says of them. Jean Zay (BLOOM's chronicles) has four links between its A100s and
    four wires of 100 Gb/s per node."""
    if "bigscience-workshop/bigscience" in line["source"] and "A100" in gpu.name and "tr11" in line["source"]:
        return Cluster(accelerator=gpu, count=count, per_node=gpu.domain, link_gbps=100.0, network_gbps=50.0 / gpu.domain)
    stated = re.search(r"inter-node (\d+) ?Gb/s", line["notes"])
    network = float(stated[1]) / 8 / gpu.domain if stated else 0.0
    return Cluster(accelerator=gpu, count=count, per_node=gpu.domain, network_gbps=network)


def _number(line: dict[str, str], key: str) -> float:
    """0 where the cell is blank."""
    number = float(line[key].replace(",", "") or 0)
    if not 0 <= number < 1e15:
        raise ValueError(f"{key}: {line[key]}")
    return number
