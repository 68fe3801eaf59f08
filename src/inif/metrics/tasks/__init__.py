"""Figures of what an analysis finds in a compressed image: areas, objects, spots, intensities."""

from inif.metrics.tasks.by_name import parse_tasks
from inif.metrics.tasks.clean import CleanReference, CleanTask
from inif.metrics.tasks.intensity import IntensityTask
from inif.metrics.tasks.labels import Labels
from inif.metrics.tasks.mask import MaskTask
from inif.metrics.tasks.noise import NoiseTask
from inif.metrics.tasks.objects import ObjectsTask
from inif.metrics.tasks.reused import FrcTask, SpotsTask
from inif.metrics.tasks.ridge import Ridge
from inif.metrics.tasks.run import DEFAULT, measure, prepare, sample_of
from inif.metrics.tasks.segment import Otsu, Own, Segmenter
from inif.metrics.tasks.task import Figure, Figures, Task, TaskResult, Unit
from inif.metrics.tasks.tophat import Tophat

__all__ = [
    "DEFAULT",
    "CleanReference",
    "CleanTask",
    "Figure",
    "Figures",
    "FrcTask",
    "IntensityTask",
    "Labels",
    "MaskTask",
    "NoiseTask",
    "ObjectsTask",
    "Otsu",
    "Own",
    "Ridge",
    "Segmenter",
    "SpotsTask",
    "Task",
    "TaskResult",
    "Tophat",
    "Unit",
    "measure",
    "parse_tasks",
    "prepare",
    "sample_of",
]
