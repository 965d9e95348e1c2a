"""Every suite against the store of `--store-url`: what `vpa conformance URL` runs."""

from __future__ import annotations

import pytest

from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.testing import suite


class _Deployment:
    @pytest.fixture(autouse=True)
    def _url(self, request: pytest.FixtureRequest) -> None:
        self.url = str(request.config.getoption("--store-url"))

    def make_manager(self) -> VectorDatabaseManager:
        """A manager for the URL given."""
        return connect(self.url)


class TestCollections(_Deployment, suite.CollectionSuite):
    """Collections."""


class TestDescribe(_Deployment, suite.DescribeSuite):
    """Descriptions."""


class TestFilters(_Deployment, suite.FilterSuite):
    """Filters."""


class TestInvalidFilters(_Deployment, suite.InvalidFilterSuite):
    """Malformed filters."""


class TestInvalidRecords(_Deployment, suite.InvalidRecordSuite):
    """Malformed records."""


class TestRoundTrip(_Deployment, suite.RoundTripSuite):
    """Round trips."""


class TestScan(_Deployment, suite.ScanSuite):
    """Scans."""


class TestScopes(_Deployment, suite.ScopeSuite):
    """Scopes."""


class TestSearch(_Deployment, suite.SearchSuite):
    """Searches."""


class TestWrites(_Deployment, suite.WriteSuite):
    """Writes."""
