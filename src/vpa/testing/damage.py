"""What befalls the files of a store: lost, doubled, swapped, cut, replaced by older or foreign ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from vpa.engine.persist.frames import read_log
from vpa.testing.disk import SimulatedDisk


class Surroundings:
    """A store's disk, that of another store made the same way, and the first one as it was some time ago."""

    def __init__(self, disk: SimulatedDisk, other: SimulatedDisk, older: SimulatedDisk, rng: random.Random) -> None:
        self.disk = disk
        self.other = other
        self.older = older
        self.rng = rng

    def any_file(self, disk: SimulatedDisk | None = None, *, ending: str = "") -> str | None:
        """One that is not empty."""
        names = [name for name in (disk or self.disk).files() if name.endswith(ending) and not name.endswith("RESERVE")]
        return self.rng.choice(names) if names else None


Damage: TypeAlias = Callable[[Surroundings], None]


def _flipped(around: Surroundings) -> None:
    if path := around.any_file():
        around.disk.flip(path)


def _removed(around: Surroundings) -> None:
    if path := around.any_file():
        around.disk.lose(path)


def _cut(around: Surroundings) -> None:
    if path := around.any_file():
        content = bytes(around.disk.read(path))
        around.disk.put(path, content[: around.rng.randrange(len(content))])


def _cut_between_frames(around: Surroundings) -> None:
    path = around.any_file(ending=".vpa")
    if path is None or "log-" not in path:
        return
    content = bytes(around.disk.read(path))
    found = read_log(memoryview(content), path)
    if found.header is not None:
        ends = [found.header_bytes, *(frame.end for frame in found.frames)]
        around.disk.put(path, content[: around.rng.choice(ends)])


def _grown(around: Surroundings) -> None:
    if path := around.any_file():
        around.disk.put(path, bytes(around.disk.read(path)) + around.rng.randbytes(around.rng.randrange(1, 200)))


def _swapped(around: Surroundings) -> None:
    first, second = around.any_file(), around.any_file()
    if first and second:
        one, two = bytes(around.disk.read(first)), bytes(around.disk.read(second))
        around.disk.put(first, two)
        around.disk.put(second, one)


def _doubled(around: Surroundings) -> None:
    first, second = around.any_file(), around.any_file()
    if first and second:
        around.disk.put(second, bytes(around.disk.read(first)))


def _numbered_on(around: Surroundings) -> None:
    path = around.any_file(ending=".vpa")
    if path:
        number = around.rng.randrange(12)
        around.disk.put(f"{path[:-12]}{number:08d}.vpa", bytes(around.disk.read(path)))


def _renamed(around: Surroundings) -> None:
    if path := around.any_file():
        content = bytes(around.disk.read(path))
        around.disk.lose(path)
        around.disk.put(path + ".bak", content)


def _of_another_store(around: Surroundings) -> None:
    path = around.any_file(around.other)
    if path:
        around.disk.put(path, bytes(around.other.read(path)))


def _older_file(around: Surroundings) -> None:
    path = around.any_file(around.older)
    if path:
        around.disk.put(path, bytes(around.older.read(path)))


def _directory_lost(around: Surroundings) -> None:
    path = around.any_file(ending=".vpa")
    if path:
        around.disk.lose(path.rsplit("/", 1)[0])


def _directory_replaced(around: Surroundings) -> None:
    path = around.any_file(around.other, ending=".vpa")
    if path:
        directory = path.rsplit("/", 1)[0]
        around.disk.lose(directory)
        for name in around.other.files():
            if name.startswith(directory + "/"):
                around.disk.put(name, bytes(around.other.read(name)))


def _foreign_folder(around: Surroundings) -> None:
    around.disk.put("/data/collections/thesis/one.txt", b"work")


DAMAGES: Final[Mapping[str, Damage]] = {
    "flipped bit": _flipped,
    "removed file": _removed,
    "cut file": _cut,
    "cut between frames": _cut_between_frames,
    "grown file": _grown,
    "swapped files": _swapped,
    "doubled file": _doubled,
    "copied to another number": _numbered_on,
    "renamed file": _renamed,
    "file of another store": _of_another_store,
    "older file": _older_file,
    "lost directory": _directory_lost,
    "replaced directory": _directory_replaced,
    "folder of others": _foreign_folder,
}
