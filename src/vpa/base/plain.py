"""Values as plain data: vectors as lists of numbers in JSON, also where pydantic (FastAPI) makes the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AsList:
    """Annotates an array: a list of numbers in JSON (`dimensions=2`: a list of lists), read back as float32."""

    dimensions: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """What pydantic asks for. Its schemas are plain dictionaries, so that it need not be imported here."""
        del source, handler
        numbers: dict[str, Any] = {"type": "float"}
        for _ in range(self.dimensions):
            numbers = {"type": "list", "items_schema": numbers}
        before = {
            "type": "function-before",
            "schema": numbers,
            "function": {"type": "no-info", "function": as_list},
        }
        return {
            "type": "function-after",
            "schema": before,
            "function": {"type": "no-info", "function": as_vector},
            "serialization": {"type": "function-plain", "function": as_list, "return_schema": numbers},
        }


VECTOR: Final = AsList()
MATRIX: Final = AsList(dimensions=2)


def as_list(values: Any) -> Any:
    """An array as lists of numbers; anything else as it is."""
    return values.tolist() if isinstance(values, np.ndarray) else values


def as_vector(values: Any) -> NDArray[np.float32]:
    """A float32 array."""
    return np.asarray(values, dtype=np.float32)


def vector_of(description: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """The vector of a JSON object, or None."""
    vector = description.get("vector")
    return None if vector is None else as_vector(vector)


def same_arrays(left: Any, right: Any) -> bool:
    """Whether both are None, or arrays of equal values; comparing arrays with `==` has no truth value."""
    if left is None or right is None:
        return left is right
    return bool(np.array_equal(left, right))
