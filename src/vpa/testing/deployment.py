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
    """Collections are made, listed, described and dropped."""


class TestDescribe(_Deployment, suite.DescribeSuite):
    """Fields, distinct values and extremes, type-exact."""


class TestFilters(_Deployment, suite.FilterSuite):
    """Every operator on every kind of value, against the reference."""


class TestInvalidFilters(_Deployment, suite.InvalidFilterSuite):
    """Malformed filters are refused by name before the store is asked."""


class TestInvalidRecords(_Deployment, suite.InvalidRecordSuite):
    """Malformed records are refused by id, and nothing is written."""


class TestKeywords(_Deployment, suite.KeywordSuite):
    """Keyword and hybrid search."""


class TestSparse(_Deployment, suite.SparseSuite):
    """Sparse vectors of callers."""


class TestRoundTrip(_Deployment, suite.RoundTripSuite):
    """What is read back is what was written, to the type and the bit."""


class TestScan(_Deployment, suite.ScanSuite):
    """Every record once, in pages that go on from a cursor."""


class TestScopes(_Deployment, suite.ScopeSuite):
    """Nothing of one scope is seen, counted or removed from another."""


class TestSearch(_Deployment, suite.SearchSuite):
    """Order, scores, distances and thresholds mean the same for each metric."""


class TestWrites(_Deployment, suite.WriteSuite):
    """Conflicts, replacing, updates and deletes, and what they return."""
