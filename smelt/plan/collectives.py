"""How long ranks take to exchange: latency and bandwidth of the wires between them, in rings and trees over nodes."""

from math import ceil, log2

from smelt.plan.cluster import Cluster
from smelt.plan.constants import Constants


class Wires:
    """Times of collectives in seconds.

    A group is `size` ranks, neighbors being `stride` ranks apart: tensor, context, data and pipeline are nested in this order.
    """

    def __init__(self, cluster: Cluster, constants: Constants) -> None:
        """Take the cluster's wires and the shares that software reaches."""
        self.per_node = cluster.members
        self.domain = cluster.per_node
        self.link = cluster.link * constants.link / cluster.crowd
        self.network = cluster.network * constants.network
        self.link_latency = constants.link_us * 1e-6 * cluster.crowd
        self.network_latency = constants.network_us * 1e-6

    def all_reduce(self, size_bytes: float, size: int, stride: int) -> float:
        """Return the time until all have the sum of all: twice a gather. Source: Thakur et al. 2005, doi:10.1177/1094342005051521."""
        return 2.0 * self.gather(size_bytes, size, stride)

    def gather(self, size_bytes: float, size: int, stride: int) -> float:
        """Return the time of a gather or a reduce-scatter of `size_bytes` in all, a part of it on each rank."""
        if size <= 1:
            return 0.0
        members = max(1, min(size, self.per_node // stride))
        share = (size - 1) / size * size_bytes
        if size <= members:
            return share / self.link + ceil(log2(size)) * self.link_latency
        bandwidth = min(self.link, self.network * members)
        latency = ceil(log2(members)) * self.link_latency + ceil(log2(size / members)) * self.network_latency
        return share / bandwidth + latency

    def send(self, size_bytes: float, stride: int) -> float:
        """Return the time of a message to the rank that is `stride` ranks on."""
        if stride < self.per_node:
            return size_bytes / self.link + self.link_latency
        return size_bytes / self.network + self.network_latency

    def all_to_all(self, size_bytes: float, size: int, stride: int) -> float:
        """Return the time in which each rank sends `size_bytes` in all, an equal part to each other."""
        if size <= 1:
            return 0.0
        members = max(1, min(size, self.per_node // stride))
        inside = size_bytes * (members - 1) / size / self.link + self.link_latency
        outside = size_bytes * (size - members) / size / self.network + self.network_latency if size > members else 0.0
        return max(inside, outside)
