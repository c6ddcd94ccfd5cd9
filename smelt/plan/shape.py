"""What a planner needs to know of a network: its sizes, and with them the exact count of its weights."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A transformer: blocks of attention and feed-forward between an embedding and a head.

    `layers`, `heads`, `kv_heads`, `experts`, `experts_per_token` are counts; `hidden`, `head_width`, `ffn` (of one expert), `vocab` and
    `positions` (learned position rows, 0 with rotary or none) are widths. `tied`: the head is the embedding. `experts` of 0 is a
    dense network.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    ffn: int
    vocab: int
    gated: bool = False
    causal: bool = True
    tied: bool = True
    positions: int = 0
    norm_weights: int = 2
    """Weights per feature in a norm: 2 with a bias (LayerNorm), 1 without (RMSNorm)."""
    bias: bool = True
    """Do the matrices of a block have biases?"""
    qkv_bias: bool = True
    experts: int = 0
    experts_per_token: int = 0
    other_weights: int = 0
    """Weights outside blocks, embedding of tokens and positions, and head: final norm, pooler, segments."""
    head_norms: bool = False
    """Are queries and keys normed per head, each by one vector of `head_width` weights?"""
    embedding_width: int = 0
    """Width of the rows of tokens, positions and head where they are projected to `hidden`; 0 where they are as wide."""
    head_share: float = 1.0
    """Share of the tokens whose scores over the vocabulary are computed: 1 for decoders, 0 for classifiers, about 0.16 in BERT's
    pretraining."""
    frozen: int = 0
    """Weights of the embedding that stay as they are: no gradients, no state of the optimizer."""

    @property
    def attention_width(self) -> int:
        """Features of all query heads together."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Features of all key heads together."""
        return self.kv_heads * self.head_width

    @property
    def row_width(self) -> int:
        """Features of one row of the embedding."""
        return self.embedding_width or self.hidden

    @property
    def matrices(self) -> int:
        """Matrices of one feed-forward: 3 where it is gated, else 2."""
        return 3 if self.gated else 2

    @property
    def attention_weights(self) -> int:
        """Weights of the attention of one block: its matrices, biases and norms of heads. Count."""
        matrices = 2 * self.hidden * self.attention_width + 2 * self.hidden * self.kv_width
        biases = (self.attention_width + 2 * self.kv_width) * self.qkv_bias + self.hidden * self.bias
        return matrices + biases + 2 * self.head_width * self.head_norms

    @property
    def expert_weights(self) -> int:
        """Weights of one feed-forward (of one expert, where there are several). Count."""
        return self.matrices * self.hidden * self.ffn + ((self.matrices - 1) * self.ffn + self.hidden) * self.bias

    @property
    def block_weights(self) -> int:
        """Weights of one block: attention, feed-forward of all experts, router, two norms. Count."""
        router = self.hidden * self.experts
        return self.attention_weights + max(1, self.experts) * self.expert_weights + router + 2 * self.norm_weights * self.hidden

    @property
    def embedding_weights(self) -> int:
        """Rows of tokens and positions. Count."""
        return (self.vocab + self.positions) * self.row_width

    @property
    def head_weights(self) -> int:
        """Weights of the head beside the embedding: 0 where it is the embedding. Count."""
        return 0 if self.tied else self.vocab * self.row_width

    @property
    def weights(self) -> int:
        """All weights. Count."""
        return self.layers * self.block_weights + self.embedding_weights + self.head_weights + self.other_weights

    @property
    def active_block_weights(self) -> int:
        """Weights of matrices that one token meets in one block (with experts: those it is sent to). Count."""
        attention = 2 * self.hidden * self.attention_width + 2 * self.hidden * self.kv_width
        return attention + max(1, self.experts_per_token) * self.matrices * self.hidden * self.ffn + self.hidden * self.experts

    def flops(self, tokens: int, sequence: int) -> float:
        """Return the model FLOPs of one step, forward and backward, without recomputation.

        6 per matrix weight and token, and 12 × layers × width × sequence per token for attention (half where it is causal).

        Source: Narayanan et al. 2021, arXiv 2104.04473, section 5.1, with the causal half counted once.
        """
        dense = 6.0 * (self.layers * self.active_block_weights + self.head_share * self.vocab * self.row_width)
        attention = 12.0 * self.layers * self.attention_width * sequence * (0.5 if self.causal else 1.0)
        return tokens * (dense + attention)
