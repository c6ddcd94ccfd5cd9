"""Where and at what cost: what a training run takes on a cluster, by arithmetic. No torch."""
