"""Over many devices: which process this is, how a network is spread, how its state is put together again."""
