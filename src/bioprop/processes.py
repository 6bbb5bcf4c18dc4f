"""How many processes were started together, as ``torchrun`` says in the environment."""

import os


def size() -> int:
    """Return how many processes were started together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def rank() -> int:
    """Return the place of this process among them, counted from 0."""
    return int(os.environ.get("RANK", 0))
