"""Low-rank adapters: small matrices beside the large ones, which stay as they are; in the end they are added up. peft does the work."""

import torch
from torch import nn

from smelt.errors import EnvironmentFault, UsageFault
from smelt.language import say
from smelt.models.network import Network
from smelt.models.parts import KNOWN, find_parts
from smelt.recipe.train import Lora


def add_adapters(network: Network, section: Lora, seed: int) -> None:
    """Put adapters beside the matrices of every layer, in place; only they learn now, and a head that is new.

    Args:
        network: a transformer.
        section: rank, scale, noise.
        seed: of the adapters' random weights.

    Raises:
        EnvironmentFault: peft is not installed.
        UsageFault: the matrices of this architecture are not known.

    Source: Hu et al. 2021, arXiv 2106.09685.
    """
    parts = find_parts(network)
    if parts is None:
        raise UsageFault(
            say("train.adapter: the matrices of this model are not known"), step=say("Known are {known}.", known=", ".join(KNOWN))
        )
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise EnvironmentFault(say("peft is not installed"), step=say('Run: pip install "smelt[adapters]"')) from error
    torch.manual_seed(seed)
    own = {id(parameter) for parameter in network.head()} if len(network.head()) < len(list(network.parameters())) else set()
    config = LoraConfig(
        r=section.rank, lora_alpha=section.alpha, lora_dropout=section.dropout, target_modules=[*parts.by_row, *parts.by_column]
    )  # fmt: skip
    for block in network.blocks():
        inject_adapter_in_model(config, block)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = ".lora_" in name or id(parameter) in own


def merge_adapters(network: Network) -> None:
    """Add the adapters to the matrices they stand beside, and take them away, in place."""
    from peft.tuners.lora import LoraLayer

    for block in network.blocks():
        for name, module in list(block.named_modules()):
            if isinstance(module, LoraLayer):
                module.merge(safe_merge=True)  # pyright: ignore[reportCallIssue]  every kind of them has it
                place, _, last = name.rpartition(".")
                merged = module.get_base_layer()
                assert isinstance(merged, nn.Module)
                setattr(block.get_submodule(place), last, merged)
