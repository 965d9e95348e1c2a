"""Goes on looking at files: waits until they have not changed for a moment, then ingests what did."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from vpa.base.errors import ConfigurationError
from vpa.ingest.finding import Search
from vpa.observe.log import get_logger

# Changes that follow one another so fast are one: an editor writes a file several times.
_DEBOUNCE_MS: Final = 1600
_STEP_MS: Final = 200
# How often one looks whether a watched folder is still the one that was there.
_LOOK_MS: Final = 1000
# Kubernetes replaces the files of a ConfigMap through hidden links whose names begin so.
_REPLACED: Final = ".."
_log = get_logger("vpa.rag")


async def changes(paths: Sequence[str], search: Search, stop: asyncio.Event) -> AsyncGenerator[list[str], None]:
    """The paths that changed, some at once, until `stop` is set. Raises ConfigurationError where nothing can watch.

    A path that is removed is waited for: when there is one of its name again, it is watched, and counts as changed.
    """
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise ConfigurationError("watching needs watchfiles: pip install 'vpa[ingest]'") from None
    watched = _Watched(tuple(dict.fromkeys(os.path.abspath(path) for path in paths)), search)
    for root in watched.roots:
        if not os.path.exists(root):
            raise ConfigurationError(f"{root} does not exist, so it cannot be watched")
    pending: set[str] = set()
    while not stop.is_set():
        pending |= watched.arm()
        async with aclosing(_looks(watched, stop)) as looks:
            async for changed in looks:
                pending |= changed
                if await asyncio.to_thread(watched.is_replaced):
                    # Named once it is watched again, so that nothing is missed.
                    break
                pending |= await asyncio.to_thread(watched.changed_files)
                if pending:
                    yield sorted(pending)
                    pending = set()


async def _looks(watched: _Watched, stop: asyncio.Event) -> AsyncGenerator[set[str], None]:
    """Changes in the folders, and nothing each time that one is to look oneself. Ends with `stop`."""
    from watchfiles import awatch

    if not watched.folders:
        while not stop.is_set():
            yield set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_MS / 1000):
                    await stop.wait()
        return
    watching = awatch(
        *watched.folders,
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
        watch_filter=lambda _, path: watched.matters(path),
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
    )
    async with aclosing(watching):
        try:
            async for changed in watching:
                yield {path for _, path in changed}
        except FileNotFoundError:
            # It went before it was watched.
            yield set()
        except OSError as error:
            raise ConfigurationError(
                f"the folders cannot be watched: {error}; if there are too many, raise fs.inotify.max_user_watches"
            ) from error


class _Identity(NamedTuple):
    """What a path leads to, and which folder, or which state of a file."""

    real: str
    is_folder: bool
    state: tuple[int, ...]


@dataclass(slots=True)
class _Watched:
    """What was named, and what was there when one last looked.

    The system watches folders. A named file is looked at: editors put a new one in its place, which the system would
    tell only to who watches the folder, and that may be a large one.
    """

    roots: tuple[str, ...]
    search: Search
    # None for what is away.
    _now: dict[str, _Identity | None] = field(default_factory=dict)
    # Files that differ, until they stay as they are for one look.
    _unsettled: dict[str, _Identity | None] = field(default_factory=dict)

    def arm(self) -> set[str]:
        """Take the folders as they are now; returns those that are not what they were."""
        changed = set()
        for root in self.roots:
            identity = _identity(root)
            if root not in self._now:
                self._now[root] = identity
            elif self._is_another_folder(root, identity):
                self._set(root, identity)
                changed.add(root)
        return changed

    def is_replaced(self) -> bool:
        """Whether a root is not the folder any more that it was: its watch would see nothing from then on."""
        return any(self._is_another_folder(root, _identity(root)) for root in self.roots)

    def _is_another_folder(self, root: str, identity: _Identity | None) -> bool:
        before = self._now[root]
        is_folder = any(one is not None and one.is_folder for one in (before, identity))
        return is_folder and before != identity

    def changed_files(self) -> set[str]:
        """The named files that changed, and have not changed again since the last look."""
        changed = set()
        for root, before in self._now.items():
            if before is not None and before.is_folder:
                continue
            identity = _identity(root)
            if identity == before:
                self._unsettled.pop(root, None)
            elif root in self._unsettled and self._unsettled[root] == identity:
                changed.add(root)
            else:
                self._unsettled[root] = identity
        for root in changed:
            self._set(root, self._unsettled.pop(root))
        return changed

    def _set(self, root: str, identity: _Identity | None) -> None:
        if identity is None:
            _log.warning("a watched path is gone", path=root, meaning="it is waited for; what was read of it stays")
        self._now[root] = identity

    @property
    def folders(self) -> list[str]:
        """The real paths of the folders that are there."""
        return sorted({identity.real for identity in self._now.values() if identity is not None and identity.is_folder})

    def matters(self, path: str) -> bool:
        """What is never read wakes nobody: the store itself may lie in the folder."""
        return any(self._is_read(path, folder) for folder in self.folders)

    def _is_read(self, path: str, root: str) -> bool:
        if not Path(path).is_relative_to(root) or self.search.is_own(root):
            return False
        place = root
        for part in Path(path).relative_to(root).parts:
            place = os.path.join(place, part)
            if self.search.passes_over(place, part) and not self._may_be_linked(place, part):
                return False
        return True

    def _may_be_linked(self, place: str, part: str) -> bool:
        return part.startswith(_REPLACED) and not self.search.is_own(place)


def _identity(root: str) -> _Identity | None:
    real = os.path.realpath(root)
    try:
        status = os.stat(real)
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return _Identity(real, True, (status.st_dev, status.st_ino))
    return _Identity(real, False, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
