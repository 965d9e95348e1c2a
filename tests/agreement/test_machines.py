"""Writes, updates, deletes, scopes and reopening in any order: every store against a plain dictionary."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from deployments import STORES, RunningStores
from vpa.client.manager import VectorDatabaseManager
from vpa.testing.machine import CollectionMachine, rule


def machine(stores: RunningStores, store: str) -> type[CollectionMachine]:
    class OnStore(CollectionMachine):
        def make_manager(self) -> VectorDatabaseManager:
            return VectorDatabaseManager(stores.config(store))

        @rule()
        def close_and_open(self) -> None:
            self.reopen()

    return OnStore


@pytest.mark.parametrize("store", STORES)
def test_every_store_holds_what_a_dictionary_holds(stores: RunningStores, store: str) -> None:
    steps = settings(max_examples=6, stateful_step_count=20, deadline=None, database=None)
    run_state_machine_as_test(machine(stores, store), settings=steps)


@pytest.mark.long
@pytest.mark.parametrize("store", STORES)
def test_every_store_holds_what_a_dictionary_holds_at_length(stores: RunningStores, store: str) -> None:
    steps = settings(max_examples=150, stateful_step_count=30, deadline=None, database=None)
    run_state_machine_as_test(machine(stores, store), settings=steps)
