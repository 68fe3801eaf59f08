"""Many files at once: found, named, compressed or measured in processes of their own, summed up.

One bad file costs itself: each is worked on in another process, and what comes of it is a `Result`.
"""

from inif.many.compress import compress_many
from inif.many.evaluate import evaluate_many
from inif.many.result import Result

__all__ = ["Result", "compress_many", "evaluate_many"]
