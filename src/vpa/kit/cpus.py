"""How many CPUs this process really has: affinity and the quota of its control group, not the machine's number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/")


def available_cpus(root: Path = _ROOT) -> int:
    """CPUs that the process may use at once, at least 1; a quota of 1.5 CPUs counts as 1.

    Read anew at each call, as both limits may change while the process runs. `root` is where /proc and /sys are.
    """
    limits = [float(allowed_cpus()), *_quotas(root)]
    return max(1, int(min(limits)))


def thread_count(most: int) -> int:
    """Threads for work that waits half of the time, for a disk or a library: two a CPU, at least 2, at most `most`."""
    return max(2, min(most, 2 * available_cpus()))


def allowed_cpus() -> int:
    """CPUs that the system may run the process on, whatever share of their time a quota leaves it."""
    # macOS and Windows have no sched_getaffinity.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """The quota of every control group that the process is in, in CPUs; groups without one yield nothing."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        for mount in _mounts(root, controllers):
            for group in _from_group_to_top(mount, path):
                yield from _quota(group)


def _mounts(root: Path, controllers: str) -> Iterator[Path]:
    """Where the hierarchy of a line of /proc/self/cgroup is mounted: version 2 names no controllers."""
    for line in _lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        place, (kind, _, options) = left.split(" ")[4], right.split(" ", 2)
        if (not controllers and kind == "cgroup2") or (
            kind == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(",")
        ):
            yield root / place.lstrip("/")


def _from_group_to_top(mount: Path, path: str) -> Iterator[Path]:
    # In a container the path is often that of the host: then only the mount itself exists.
    group = mount / path.lstrip("/")
    while group != mount and mount in group.parents:
        yield group
        group = group.parent
    yield mount


def _quota(group: Path) -> Iterator[float]:
    both = " ".join(_lines(group / "cpu.max"))
    if not both:
        both = " ".join([*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")])
    parts = both.split()
    if len(parts) == 2 and all(part.isdigit() for part in parts) and int(parts[1]):
        yield int(parts[0]) / int(parts[1])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []
