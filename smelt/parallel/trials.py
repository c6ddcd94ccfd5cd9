"""Steps of small networks with random weights, taken as `train.fit` takes them, so that their time can be measured.

Shape letters: B batch, S sequence.
"""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from smelt.models.language import LanguageSizes
from smelt.models.language import from_sizes as language_from_sizes
from smelt.models.network import Network
from smelt.models.transformer import TransformerSizes, from_sizes
from smelt.parallel.pipeline import Piece, work_off
from smelt.parallel.place import clip, place
from smelt.parallel.world import World
from smelt.plan.probe import PRECISIONS, Probe
from smelt.recipe.parallel import Parallel

_CLASSES = 8
_LEARNING_RATE = 1e-4
_LONGEST_GRADIENT = 1.0

_SMALLEST = 4
"""Layers, and heads, of the probes of several processes: more cannot split them."""
WIDE = Probe(architecture="bert", layers=3, hidden=320, ffn=1280, heads=8, vocab=2048, batch=16, length=64, precision="fp32")
LONG, FEW = replace(WIDE, layers=2, batch=4, length=256), replace(WIDE, layers=2, batch=4, length=32)
HEAVY = replace(WIDE, layers=2, hidden=768, ffn=3072, heads=12, vocab=512, batch=2, length=16)
THIN = replace(WIDE, hidden=32, ffn=64, heads=4, vocab=64, batch=8, length=8)
DECODER = replace(WIDE, architecture="llama", ffn=864, heads=5, vocab=3072, batch=8, length=128)
SPEAKER = replace(DECODER, layers=1, vocab=12288)


def probes(ranks: int, *, brief: bool = False) -> list[Probe]:
    """Return what is trained with so many processes. `brief`: the smallest alone, to try the measuring itself."""
    if brief:
        return [replace(THIN, layers=2, parallel=each) for each in _spreads(ranks)[:2]]
    if ranks == 1:
        return _alone()
    found: list[Probe] = []
    for parallel in _spreads(ranks):
        found += [replace(THIN, layers=layers, parallel=parallel) for layers in (4, 8)]
        found += [replace(WIDE, layers=4, precision=each, parallel=parallel) for each in PRECISIONS]
        found.append(replace(DECODER, layers=4, heads=4, precision="bf16", parallel=parallel))
    if _SMALLEST % ranks == 0:
        found.append(replace(THIN, layers=4, parallel=Parallel(tensor=ranks, microbatches=4)))
    return found


def _alone() -> list[Probe]:
    found = [replace(THIN, layers=2), replace(THIN, layers=6), replace(THIN, architecture="llama", layers=4, precision="bf16")]
    for precision in PRECISIONS:
        found += [replace(one, layers=layers, precision=precision) for one in (WIDE, DECODER) for layers in (1, 3)]
        found += [replace(one, precision=precision) for one in (LONG, FEW, HEAVY, SPEAKER)]
    found.append(replace(WIDE, precision="bf16", dropout=True))
    found.append(replace(WIDE, precision="bf16", parallel=Parallel(microbatches=4)))
    return found


def _spreads(ranks: int) -> list[Parallel]:
    """Ways in which so many processes train a network of four layers and heads."""
    if ranks == 1:
        return [Parallel()]
    wholes = [Parallel(replicate=ranks), Parallel(shard=ranks)]
    return wholes if _SMALLEST % ranks else [*wholes, Parallel(tensor=ranks), Parallel(pipeline=ranks)]


class Trial:
    """One network that trains on one batch of random tokens, over and over."""

    def __init__(self, probe: Probe, world: World) -> None:
        """Build it and spread it. `world` has the probe's degrees."""
        torch.manual_seed(0)
        self.probe, self.world = probe, world
        network = _network(probe)
        self.network = place(network, world, probe.precision)
        self.optimizer = torch.optim.AdamW(_groups(network), lr=_LEARNING_RATE, fused=True)
        drawn = np.random.default_rng(0)
        self.ids_BS = torch.from_numpy(drawn.integers(1, probe.vocab, (probe.batch, probe.length)))
        self.targets_B = torch.from_numpy(drawn.integers(0, _CLASSES, probe.batch))

    def step(self) -> float:
        """Take one optimizer step; return its seconds."""
        started = time.perf_counter()
        world = self.world
        self.network.train()
        pieces = [self._piece(places) for places in np.array_split(world.share(self.probe.batch), world.section.pieces)]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.probe.precision == "bf16"):
            total = work_off(self.network, pieces, world)
        clip(self.network, _LONGEST_GRADIENT, world)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        float(world.sum(total))
        return time.perf_counter() - started

    def _piece(self, places: np.ndarray) -> Piece:
        ids_BS = self.ids_BS[places]
        return Piece(ids_BS, torch.ones_like(ids_BS), partial(self._loss, ids_BS, self.targets_B[places]))

    def _loss(self, ids_BS: Tensor, targets_B: Tensor, network: Network) -> Tensor:
        mask_BS = torch.ones_like(ids_BS)
        if self.probe.architecture == "bert":
            scores = network(ids_BS, mask_BS)
            return nn.functional.cross_entropy(scores.float(), targets_B, reduction="sum") / self.probe.batch
        asked_BS = torch.ones_like(ids_BS, dtype=torch.bool)
        asked_BS[:, -1] = False
        scores = network(ids_BS, mask_BS, asked_BS)
        total = nn.functional.cross_entropy(scores.float(), ids_BS[:, 1:].reshape(-1), reduction="sum")
        return total / (self.probe.batch * (self.probe.length - 1))


def _network(probe: Probe) -> Network:
    dropout = 0.1 if probe.dropout else 0.0
    if probe.architecture == "bert":
        return from_sizes(
            TransformerSizes(
                vocabulary=probe.vocab, layers=probe.layers, dim=probe.hidden, heads=probe.heads, feed_forward=probe.ffn, dropout=dropout,
                max_tokens=probe.length, classes=_CLASSES,
            )
        )  # fmt: skip
    return language_from_sizes(
        LanguageSizes(
            architecture="llama", vocabulary=probe.vocab, layers=probe.layers, dim=probe.hidden, heads=probe.heads, kv_heads=probe.heads,
            feed_forward=probe.ffn, dropout=dropout, max_tokens=probe.length, start=1, end=2,
        )
    )  # fmt: skip


def _groups(network: Network) -> list[dict]:
    """A fused step takes parameters that are spread alike."""
    layouts: dict[tuple[object, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        layout = (parameter.device_mesh, parameter.placements) if isinstance(parameter, DTensor) else None
        layouts.setdefault((layout, parameter.ndim > 1), []).append(parameter)
    return [{"params": parameters, "weight_decay": 0.01 * decays} for (_, decays), parameters in layouts.items()]
