"""Makes one test class for each suite of the conformance suite and each form of a provider."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import STORES, WEAVIATE_IS_BUILT, RunningStores, deployment
from vpa.client.manager import VectorDatabaseManager
from vpa.testing import suite

# Only the way to these differs from another form of theirs: what depends on it is run.
SAME_WIRE = ("milvus lite in process", *(["weaviate 1.34"] if WEAVIATE_IS_BUILT else []))
SOME = (suite.CollectionSuite, suite.ScopeSuite, suite.WriteSuite)


class OnStore:
    """Gives `make_manager` for one of STORES."""

    store_name = ""

    @pytest.fixture(autouse=True)
    def _running(self, stores: RunningStores) -> None:
        self.config = stores.config(self.store_name)

    def make_manager(self) -> VectorDatabaseManager:
        return VectorDatabaseManager(self.config)


def classes_of(provider: str, module: str) -> dict[str, Any]:
    """`{"TestQdrantEngineFilter": class, …}`, to be put into a module's globals."""
    made = {}
    forms = [name for name in STORES if name.split()[0].rstrip(",") == provider]
    # A deployment comes in one form.
    for form in forms[:1] if deployment(provider) else forms:
        for one in SOME if form in SAME_WIRE else suite.ALL_SUITES:
            title = "".join(letter for letter in form.title() if letter.isalnum())
            name = f"Test{title}{one.__name__.removesuffix('Suite')}"
            made[name] = type(name, (OnStore, one), {"__module__": module, "store_name": form})
    return made
