"""One hostile file: what kind it is, how it is made, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

# "named": must be refused or remarked on; "read": must be read; "either": both are right, silence is not.
Expected: TypeAlias = Literal["named", "read", "either"]
# Stands in files that must not be read through links or entities. No document may hold it.
SECRET = "the-secret-of-another-folder"


@dataclass(frozen=True, slots=True)
class Case:
    """`make` is the bytes, or writes to a path itself. `name` may hold bytes that are not UTF-8. `is_slow`: it takes
    seconds or many megabytes to make or to read.
    """

    kind: str
    name: str
    make: bytes | Callable[[Path], None]
    expected: Expected = "either"
    is_slow: bool = False

    def write(self, folder: Path) -> Path:
        """Make it in a folder of its kind."""
        path = folder / self.kind / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.make):
            self.make(path)
        else:
            path.write_bytes(self.make)
        return path
