"""The machines that are planned for."""

from dataclasses import dataclass

from smelt.plan.hardware import Accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`count` accelerators of one kind, `per_node` in a node.

    `link_gbps` and `network_gbps` (10⁹ bytes per second, per direction and accelerator) take the place of the table's where they are not 0.
    `price_per_hour`: of one accelerator, in any currency; 0 if none is stated, and costs are then told in accelerator hours.
    """

    accelerator: Accelerator
    count: int
    per_node: int = 8
    link_gbps: float = 0.0
    network_gbps: float = 0.0
    price_per_hour: float = 0.0
    flash: bool = True
    """Does the software compute attention without storing its scores?"""

    @property
    def link(self) -> float:
        """Bytes per second and direction between accelerators of a node."""
        return (self.link_gbps or self.accelerator.link_gbps) * 1e9

    @property
    def network(self) -> float:
        """Bytes per second and direction that one accelerator has between nodes."""
        return (self.network_gbps or self.accelerator.network_gbps) * 1e9
