"""What a run measures, as TensorBoard reads it, while it goes on."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def require_tensorboard() -> None:
    """Raise ``ValueError`` where TensorBoard is not installed; nothing else here needs it."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "logs need TensorBoard: .venv/bin/python -m pip install tensorboard, or leave out "
            "--logs; the record has the same numbers"
        )


def tensorboard(
    folder: Path, first: int = 0
) -> Callable[[int, Mapping[str, Sequence[float]]], None]:
    """Return a function that writes what is measured after so many examples into a folder.

    Each quantity has a line for each member, counted from ``first``: its seed, where there is one
    member for each. Raises ``ValueError`` where TensorBoard is not installed.
    """
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def watch(examples: int, quantities: Mapping[str, Sequence[float]]) -> None:
        for name, values in quantities.items():
            for member, value in enumerate(values, start=first):
                writer.add_scalar(f"{name}/{member}", value, examples)
        writer.flush()

    return watch
