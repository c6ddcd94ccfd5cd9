"""The machines that are planned for."""

from dataclasses import dataclass

from smelt.plan.hardware import Accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`count` accelerators of one kind, `per_node` in a node.

    On a CPU they are processes: those of a node share its cores, memory and loopback, so each computes and moves a part of what the CPU
    does (`share`); what one core does takes longer where several processes share it (`crowd`).

    `link_gbps` and `network_gbps` (10⁹ bytes per second, per direction and accelerator) take the place of the table's where they are not 0.
    `price_per_hour`: of one accelerator, in any currency; 0 if none is stated, and costs are then told in accelerator hours.
    """

    accelerator: Accelerator
    count: int
    per_node: int = 8
    link_gbps: float = 0.0
    network_gbps: float = 0.0
    price_per_hour: float = 0.0

    @property
    def members(self) -> int:
        """Ranks of a node."""
        return max(1, min(self.per_node, self.count))

    @property
    def share(self) -> float:
        """Part of an accelerator's rate and bandwidth that a rank has: 1, but on a CPU."""
        return 1.0 / self.members if self.accelerator.kind == "cpu" else 1.0

    @property
    def crowd(self) -> float:
        """Ranks per core of a CPU; 1 where there are fewer ranks than cores, and on other accelerators."""
        return max(1.0, self.members / self.accelerator.units) if self.accelerator.kind == "cpu" else 1.0

    @property
    def link(self) -> float:
        """Bytes per second and direction between accelerators of a node."""
        return (self.link_gbps or self.accelerator.link_gbps) * 1e9

    @property
    def network(self) -> float:
        """Bytes per second and direction that one accelerator has between nodes."""
        return (self.network_gbps or self.accelerator.network_gbps) * 1e9
