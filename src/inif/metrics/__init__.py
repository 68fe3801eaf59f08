"""Fidelity of a decoded image, and an honest account of what its compression lost."""

from inif.metrics.report import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
