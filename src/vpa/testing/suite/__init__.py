"""The conformance suite: what every provider must do, case by case.

A provider's tests make one class per suite: `class TestFilters(MyStore, FilterSuite)`, where `MyStore` gives
`make_manager`. Expected rows come from the reference evaluator. What a store cannot do is a `Gap` in its capabilities.
"""

from vpa.testing.suite.base import StoreSuite
from vpa.testing.suite.collections import CollectionSuite
from vpa.testing.suite.describe import DescribeSuite
from vpa.testing.suite.filters import FilterSuite, InvalidFilterSuite
from vpa.testing.suite.keywords import KeywordSuite
from vpa.testing.suite.metadata import InvalidRecordSuite, RoundTripSuite
from vpa.testing.suite.scan import ScanSuite
from vpa.testing.suite.scopes import ScopeSuite
from vpa.testing.suite.search import SearchSuite
from vpa.testing.suite.sparse import SparseSuite
from vpa.testing.suite.writes import WriteSuite

ALL_SUITES = (
    CollectionSuite,
    DescribeSuite,
    FilterSuite,
    InvalidFilterSuite,
    InvalidRecordSuite,
    KeywordSuite,
    RoundTripSuite,
    ScanSuite,
    ScopeSuite,
    SearchSuite,
    SparseSuite,
    WriteSuite,
)

__all__ = [
    "ALL_SUITES",
    "CollectionSuite",
    "DescribeSuite",
    "FilterSuite",
    "InvalidFilterSuite",
    "InvalidRecordSuite",
    "KeywordSuite",
    "RoundTripSuite",
    "ScanSuite",
    "ScopeSuite",
    "SearchSuite",
    "SparseSuite",
    "StoreSuite",
    "WriteSuite",
]
