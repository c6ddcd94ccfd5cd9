"""What the training software does, as far as it decides speed and memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """Habits of a training stack. The defaults are those of current stacks."""

    flash: bool = True
    """Attention without storing its scores (FlashAttention, cuDNN)."""
    tuned: bool = True
    """Products, attention and exchanges of the accelerator's own generation: Transformer Engine, and the exchange of tensor neighbors
    behind products."""
    fused: bool = True
    """Neighbors such as bias, activation and loss are one kernel; gradients are summed where they are made."""
    overlap: bool = True
    """Gradients are exchanged while others are still computed."""
    gradient_bytes: int = 4
    """Of one gradient as it is kept and exchanged."""
    beside_bytes: float = 0.0
    """Of what is kept per weight beside weights, gradients and the optimizer's states: gradients before they are summed, copies."""
    reserve_gb: float = 1.0
    """Memory that the driver, its communication and buffers of the stack take. 10⁹ bytes."""
    dropout: bool = False
    """Are there dropouts, with masks to keep?"""
    vocabulary_split: bool = True
    """Does a tensor group split the embedding and the head?"""
    readers_apart: bool = False
    """Do matrices that read the same states send them their gradients one by one, where a tensor group splits them?"""
    balanced: bool = False
    """Does the last stage of a pipeline have fewer blocks, for the head takes time, too?"""
    embedding_slots: bool = False
    """Do the embedding and the head take the place of a block each, in the first and in the last stage?"""


CURRENT = Software()
"""Megatron-Core, NeMo and the like since 2023."""
PYTORCH = Software(tuned=False, gradient_bytes=2)
"""Sharded by PyTorch itself (FSDP), without Transformer Engine."""
MEGATRON_2021 = Software(flash=False, tuned=False, fused=False, overlap=False, gradient_bytes=2, dropout=True, reserve_gb=8.0)
"""Megatron and Megatron-DeepSpeed until 2022, as most published sweeps used them."""
SMELT = Software(tuned=False, fused=False, vocabulary_split=False, readers_apart=True, balanced=True)
"""smelt's own training: attention by PyTorch, gradients in four bytes, each matrix of a block split for itself, the vocabulary whole."""
