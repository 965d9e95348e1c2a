"""pytest plugin of the conformance suite: gaps become strict xfails, and a run writes its report as JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "vpa_store"
pytest.register_assert_rewrite("vpa.testing.suite", "vpa.testing.machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance-report FILE` and `--store-url URL`."""
    group = parser.getgroup("vpa")
    group.addoption("--conformance-report", metavar="FILE", help="write the conformance report of this run as JSON")
    group.addoption("--store-url", metavar="URL", help="the store that `vpa.testing.deployment` runs against")


def pytest_configure(config: pytest.Config) -> None:
    """Collect results where reports arrive: in the controller."""
    config.pluginmanager.register(ConformanceReport(config), "vpa-conformance-report")


class ConformanceReport:
    """Counts the outcomes of suite cases by store."""

    def __init__(self, config: pytest.Config) -> None:
        self._path = config.getoption("--conformance-report", default=None)
        self._stores: dict[str, dict[str, Any]] = defaultdict(
            lambda: {"client_version": None, "cases": 0, "passed": 0, "failed": [], "deviations": []}
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how one case of the suite ended."""
        facts = dict(report.user_properties).get(PROPERTY)
        if not isinstance(facts, dict) or not (report.when == "call" or report.failed):
            return
        store = self._stores[str(facts["store"])]
        store["client_version"] = facts["client_version"]
        store["cases"] += 1
        if hasattr(report, "wasxfail"):
            store["deviations"].append({"case": report.nodeid.split("::", 1)[-1], "reason": report.wasxfail})
        elif report.passed:
            store["passed"] += 1
        else:
            store["failed"].append(report.nodeid.split("::", 1)[-1])

    def summary(self) -> dict[str, Any]:
        """The report: by store its client version, number of cases, passed, failed, deviations."""
        return {"format": 1, "stores": {name: self._stores[name] for name in sorted(self._stores)}}

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print a line a store, and write the file."""
        if not self._stores:
            return
        terminalreporter.section("conformance")
        for name, store in sorted(self._stores.items()):
            terminalreporter.line(
                f"{name}: {store['passed']} of {store['cases']} cases passed, "
                f"{len(store['failed'])} failed, {len(store['deviations'])} known deviations"
            )
        if self._path:
            Path(self._path).write_text(json.dumps(self.summary(), indent=2, ensure_ascii=False) + "\n", "utf-8")
