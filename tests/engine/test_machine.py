"""The state machine on the engine: in memory, durable with reopening, and through the residual path."""

from __future__ import annotations

import tempfile

from hypothesis import settings

from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.testing.fakes import WeakStore
from vpa.testing.machine import CollectionMachine, rule


class InMemoryMachine(CollectionMachine):
    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(VectorDatabaseConfig())


class DurableMachine(CollectionMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="vpa-machine-")

    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(VectorDatabaseConfig(path=self.directory.name))

    @rule()
    def close_and_open(self) -> None:
        self.reopen()

    @rule()
    def checkpoint(self) -> None:
        self.manager._store._database.journal("docs").checkpoint()  # type: ignore[union-attr]

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


class ResidualMachine(CollectionMachine):
    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(store=WeakStore())


TestInMemory = InMemoryMachine.TestCase
TestDurable = DurableMachine.TestCase
TestResidual = ResidualMachine.TestCase
TestInMemory.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestDurable.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestResidual.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
