"""What the filters ask of their settings and of an original."""

from __future__ import annotations

import numpy as np

from inif.errors import InputError


def require(good: bool, name: str, expected: str, got: object) -> None:
    """Refuse a setting of a filter.

    Raises
    ------
    InputError
        Unless it is good.
    """
    if not good:
        raise InputError("this filter cannot be used", field=name, expected=expected, got=got)


def moments(values: np.ndarray, what: str) -> tuple[float, float]:
    """Mean and standard deviation, the latter exactly 0 where all values are the same.

    Raises
    ------
    InputError
        Values that are not finite; `what` cannot be found then.
    """
    if not np.isfinite(values).all():
        raise InputError(
            f"{what} cannot be found in this image",
            field="original",
            expected="finite values",
            got="NaN or infinite ones",
        )
    flat = values.min() == values.max()
    deviation = 0.0 if flat else float(np.std(values, dtype=np.float64))
    return float(np.mean(values, dtype=np.float64)), deviation
