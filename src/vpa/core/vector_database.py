"""Promised import path; everything is defined elsewhere."""

from vpa.base.errors import VectorDatabaseError
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, Match, Matches, Metric, Record, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.collection import Collection
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.compose import create_vector_database_manager
from vpa.filters import F
from vpa.stores.config import VectorDatabaseConfig, VectorDatabaseProvider

VPAVectorDatabaseManager = VectorDatabaseManager

__all__ = [
    "ALL_SCOPES",
    "Collection",
    "CollectionInfo",
    "F",
    "Match",
    "Matches",
    "Metric",
    "OnConflict",
    "Record",
    "RecordBatch",
    "Scope",
    "VPAVectorDatabaseManager",
    "VectorDatabaseConfig",
    "VectorDatabaseError",
    "VectorDatabaseManager",
    "VectorDatabaseProvider",
    "connect",
    "create_vector_database_manager",
]
