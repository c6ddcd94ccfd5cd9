"""Short trainings whose time is measured and foretold: the shape, the work and the layout of one."""

from dataclasses import dataclass, field, replace
from typing import Literal

from smelt.plan.config import shape_of
from smelt.plan.layout import Layout, Work
from smelt.plan.shape import Shape
from smelt.plan.software import SMELT, Software
from smelt.recipe.parallel import Parallel

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
"""What smelt trains in on a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A training of a network with random weights, as smelt trains it; a `bert` classifies texts, a `llama` guesses tokens.

    Widths and counts as in `Shape`; `batch` texts of `length` tokens in a step.
    """

    architecture: Literal["bert", "llama"]
    layers: int
    hidden: int
    heads: int
    ffn: int
    vocab: int
    batch: int
    length: int
    precision: Precision
    dropout: bool = False
    parallel: Parallel = field(default_factory=Parallel)

    @property
    def shape(self) -> Shape:
        """Sizes of the network."""
        sizes = {
            "model_type": self.architecture, "vocab_size": self.vocab, "num_hidden_layers": self.layers, "hidden_size": self.hidden,
            "num_attention_heads": self.heads, "intermediate_size": self.ffn, "max_position_embeddings": self.length, "type_vocab_size": 2,
        }  # fmt: skip
        return shape_of(sizes, "probe")

    @property
    def work(self) -> Work:
        """One step."""
        return Work(sequence=self.length, batch=self.batch, precision=self.precision)

    @property
    def layout(self) -> Layout:
        """How it is spread."""
        return layout_of(self.parallel, self.work)

    @property
    def software(self) -> Software:
        """What smelt does."""
        return replace(SMELT, flash=False, dropout=self.dropout)


def layout_of(section: Parallel, work: Work) -> Layout:
    """Return the layout that a `parallel:` section is."""
    readers = section.readers
    # Copies of split matrices and of stages are kept as shards are, in groups of one.
    shards = section.shard > 1 or (readers > 1 and max(section.tensor, section.pipeline) > 1)
    return Layout(
        tensor=section.tensor, pipeline=section.pipeline, data=readers, shard=section.shard if shards else 0,
        sharding="full" if shards else "none", virtual=section.stages // section.pipeline,
        micro_batch=max(1, -(-work.batch // (readers * section.pieces))), sequence_parallel=section.sequence,
        schedule=section.pipeline_schedule if section.pipeline > 1 else "1f1b",
    )  # fmt: skip
