"""What networks learn: the papers' tasks and images, and one's own data."""

from bioprop.tasks.own import Examples, Loaded

__all__ = ["Examples", "Loaded"]
