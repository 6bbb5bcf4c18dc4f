"""How many processes were started together, as ``torchrun`` says in the environment."""

import os


def size() -> int:
    """Return how many processes were started together."""
    return whole("WORLD_SIZE", 1)


def rank() -> int:
    """Return the place of this process among them, counted from 0; 0 where it is alone."""
    return whole("RANK", 0) if size() > 1 else 0


def following() -> bool:
    """Whether another process of those started together speaks for this one."""
    try:
        return rank() > 0
    except ValueError:  # whoever asks how many they are is told
        return False


def whole(name: str, otherwise: int) -> int:
    """Return a whole number of the environment; ``ValueError`` where it is another word."""
    word = os.environ.get(name, str(otherwise))
    if not word.isdecimal():
        raise ValueError(f"{name} = {word!r} in the environment is no whole number; unset it")
    return int(word)
