"""Shared fixtures: a clean environment, and the plugin of the conformance suite."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deployments import RunningStores

pytest_plugins = ["vpa.testing.plugin"]

_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
# In CI the examples are the same in every run; on a developer's machine they are new each time.
settings.register_profile("ci", max_examples=100, derandomize=True, **_PATIENT)
settings.register_profile("local", max_examples=100, **_PATIENT)
settings.register_profile("long", max_examples=2000, **_PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "local"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith("VPA_") and not name.startswith("VPA_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VPA_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _clean_logging() -> None:
    # A command that ran in this process has set a level.
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStores]:
    """Every store of tests/stores.py, started when it is asked for."""
    # Servers that sync every write to a disk are three times as fast in memory.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30
    base = Path(tempfile.mkdtemp(prefix="vpa-tests-", dir=memory)) if roomy else tmp_path_factory.mktemp("stores")
    running = RunningStores(lambda name: Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base)))
    yield running
    running.close()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def new_threads() -> Callable[[], list[str]]:
    """Names of the threads of vpa that this test began and that still run."""
    before = set(threading.enumerate())
    return lambda: [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("vpa")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests run only when asked for with -m."""
    if config.getoption("-m"):
        return
    selected = [item for item in items if item.get_closest_marker("long") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = selected
