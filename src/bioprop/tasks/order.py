"""The order in which examples in memory are shown."""

import torch
from torch import Tensor

from bioprop.learning import Streams, generator


def shuffled(streams: Streams, examples: int, epoch: int) -> Tensor:
    """Return an order of the examples for each member, ``(member, example)``, another each epoch.

    It depends on the seed of the member and the epoch alone.
    """
    orders = {
        seed: torch.from_numpy(generator(seed, "order", epoch).permutation(examples))
        for seed in dict.fromkeys(streams.seeds)
    }
    return torch.stack([orders[seed] for seed in streams.seeds]).to(streams.device)
