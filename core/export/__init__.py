"""Export: a model as one file that other programs run, with its preprocessing inside, and its proof of equality."""

from .program import ExportModule, export, free_axes

__all__ = ["ExportModule", "export", "free_axes"]
