"""The conformance suite on the embedded engine: in memory, durable, and behind a store that pushes little down."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.testing import suite
from vpa.testing.fakes import WeakStore


class InMemory:
    """The engine without a path."""

    store_name = "mock (in memory)"

    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(VectorDatabaseConfig(provider="mock"))


class Durable:
    """The engine in a directory."""

    store_name = "mock (durable)"

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "store"

    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(VectorDatabaseConfig(provider="embedded", path=str(self.directory)))


class Weak:
    """A store that knows equality only: the framework's residual must give the same answers."""

    store_name = "weak (residual)"

    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(store=WeakStore())


def _classes(kind: type) -> dict[str, type]:
    return {
        f"Test{kind.__name__}{one.__name__.removesuffix('Suite')}": type(
            f"Test{kind.__name__}{one.__name__.removesuffix('Suite')}", (kind, one), {"__doc__": one.__doc__}
        )
        for one in suite.ALL_SUITES
    }


globals().update({**_classes(InMemory), **_classes(Durable), **_classes(Weak)})


def test_the_suite_has_at_least_250_cases() -> None:
    from vpa.testing.suite import filters, metadata

    # The tables alone; the written-out cases come on top (the report counts them all).
    tables = (filters.TABLE, filters.INVALID, metadata.VALID, metadata.INVALID_METADATA, metadata.INVALID_RECORDS)
    assert sum(len(table) for table in tables) >= 250


def test_every_suite_is_run_here_and_by_the_command() -> None:
    from vpa.testing import deployment

    def all_of(kind: type) -> set[type]:
        return {
            one
            for sub in kind.__subclasses__()
            if sub.__module__.startswith("vpa.testing.suite")
            for one in {sub, *all_of(sub)}
        }

    assert all_of(suite.StoreSuite) == set(suite.ALL_SUITES)
    for namespace, marker in ((globals(), "Test"), (vars(deployment), "Test")):
        run = {base for name, kind in namespace.items() if name.startswith(marker) for base in kind.__mro__}
        assert set(suite.ALL_SUITES) <= run
