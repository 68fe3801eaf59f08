"""What a field is to the rest of inif: a named spec, a list of weight groups, a way to evaluate.

A new kind of field adds a module with a `Field`, an entry in `load_field`, a feature name for the
header's ``requires``, and a section in docs/format.md; tests/conformance runs on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from inif.errors import FormatError


class Field(Protocol):
    """A network whose weights come as a list of arrays, one per group that shares a step size."""

    @property
    def kind(self) -> str:
        """Its name in the header."""
        ...

    @property
    def feature(self) -> str:
        """Its name in the header's ``requires``."""
        ...

    @property
    def outputs(self) -> int:
        """Values per point."""
        ...

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the weight groups, in the order of the file."""
        ...

    def points(self, weights: Sequence[np.ndarray], coords: np.ndarray) -> np.ndarray:
        """Values at (D, N) coordinates in [-1, 1]: (outputs, N) of the weights' dtype."""
        ...

    def grid(self, weights: Sequence[np.ndarray], axes: Sequence[np.ndarray]) -> np.ndarray:
        """Values on a grid of D vectors: (outputs, n1 · … · nD) of the weights' dtype."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The header's ``field`` object."""
        ...


def count_weights(field: Field) -> int:
    """How many numbers the field's weights are."""
    return sum(int(np.prod(shape)) for shape in field.group_shapes)


def load_field(spec: Mapping[str, Any], inputs: int, channels: int, *, file: object) -> Field:
    """The field a header describes.

    Parameters
    ----------
    spec
        The header's ``field`` object.
    inputs
        How many axes of the image are not C.
    channels
        Length of the C axis; 0 if there is none.

    Raises
    ------
    FormatError
        An unknown kind, or numbers outside the format's limits.
    """
    from inif.fields.siren import Siren

    kind = spec.get("kind")
    if kind == "siren":
        return Siren.from_json(spec, inputs, channels, file=file)
    raise FormatError(
        "this kind of field is not known", file=file, field="field.kind", expected="siren", got=kind
    )
