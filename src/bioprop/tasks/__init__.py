"""What networks learn: the papers' tasks and images, and one's own data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioprop.tasks.own import Examples, Loaded

__all__ = ["Examples", "Loaded"]


def __getattr__(name: str) -> Any:
    """Load PyTorch for what needs it; processes that only decode images start without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bioprop.tasks import own

    return getattr(own, name)
