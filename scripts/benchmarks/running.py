"""Starts the stores that the tests run on, for measurements, each in a process of its own."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from deployments import RunningStores  # noqa: E402
from vpa.stores.config import VectorDatabaseConfig  # noqa: E402


class SeparateStores:
    """As RunningStores, but a server's work is not done in the process that is measured."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._started: dict[str, tuple[subprocess.Popen[str], VectorDatabaseConfig]] = {}

    def config(self, name: str, **changes: object) -> VectorDatabaseConfig:
        """Settings of one of the stores, with changes."""
        if name not in self._started:
            process = subprocess.Popen(
                [sys.executable, __file__, name, self._directory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            given = json.loads(process.stdout.readline())
            given["options"] = MappingProxyType(given["options"])
            self._started[name] = process, VectorDatabaseConfig(**given)
        return replace(self._started[name][1], **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop them."""
        for process, _ in self._started.values():
            process.communicate()


@contextmanager
def running() -> Iterator[SeparateStores]:
    """Every store of tests/deployments.py, started when it is asked for."""
    with tempfile.TemporaryDirectory(prefix="vpa-bench-", ignore_cleanup_errors=True) as directory:
        stores = SeparateStores(directory)
        try:
            yield stores
        finally:
            stores.close()


def serve(name: str, directory: str) -> None:
    """Start one, print its settings, and keep it until standard input is closed."""
    stores = RunningStores(lambda short: Path(tempfile.mkdtemp(prefix=short[:8], dir=directory)))
    config = stores.config(name)
    shown = {one.name: getattr(config, one.name) for one in fields(config)}
    # What a double in Python collects of what it read is none of the client's doing.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    print(json.dumps({**shown, "options": dict(config.options)}), flush=True)
    sys.stdin.read()
    stores.close()


if __name__ == "__main__":
    serve(*sys.argv[1:])
