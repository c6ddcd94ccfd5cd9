"""`cluster:` the machines that `smelt plan` plans for."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.recipe.section import Section

Rate = Annotated[float, Field(ge=1e-6, le=1e12)]
Number = Annotated[int, Field(ge=1, le=10**6)]


class Links(Section):
    """What joins the accelerators, in 10⁹ bytes per second, per direction and accelerator. `auto`: as the table of hardware has it."""

    node_gbps: Rate | Literal["auto"] = "auto"
    """Inside a node (NVLink, PCIe)."""
    network_gbps: Rate | Literal["auto"] = "auto"
    """Between nodes: 400 Gb/s for each accelerator are 50."""


class ClusterSection(Section):
    """Accelerators of one kind."""

    accelerator: Annotated[str, Field(min_length=1, examples=["H100"])] = "this machine"
    """A name of the table of hardware, a file that `smelt plan --calibrate` wrote, or `this machine`: what was measured last."""
    count: Number = 1
    """Accelerators in all; processes, on a CPU."""
    per_node: Number | Literal["auto"] = "auto"
    """Accelerators that a fast link joins. `auto`: as the table has it."""
    links: Links = Links()
    price_per_hour: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Of one accelerator, in any currency. 0: costs are told in accelerator hours."""
    hours_between_failures: Rate = 50_000.0
    """Of one accelerator. 50,000 is what 16,384 H100s showed over 54 days. Source: Llama 3, arXiv 2407.21783, section 3.3.4."""
    storage_gbps: Rate = 10.0
    """What checkpoints are written with, over all ranks, in 10⁹ bytes per second."""
