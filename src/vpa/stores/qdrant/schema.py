"""What collections of ours are made with, and the indexes over their payloads."""

from __future__ import annotations

import json
from typing import Any, Final

from qdrant_client import models

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.options import QdrantOptions
from vpa.stores.qdrant import fields
from vpa.stores.qdrant.convert import INFO
from vpa.stores.qdrant.options import creation_arguments
from vpa.stores.qdrant.words import SPARSE, TERMS

# Cosine is stored as unit vectors under Dot: Qdrant would normalise them once more, which changes their last bits.
_DISTANCES: Final = {
    Metric.COSINE: models.Distance.DOT,
    Metric.DOT: models.Distance.DOT,
    Metric.EUCLIDEAN: models.Distance.EUCLID,
}
PAYLOAD_SCHEMAS: Final[dict[str, Any]] = {
    "keyword": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    "float": models.FloatIndexParams(type=models.FloatIndexType.FLOAT),
    "scope": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
}
# Every collection has these; those of fields are made when a filter asks for them.
ALWAYS_INDEXED: Final = {fields.SCOPE: "scope", fields.PRESENT: "keyword"}


def creation_of(info: CollectionInfo, options: QdrantOptions) -> dict[str, Any]:
    """Arguments of the client's `create_collection`."""
    # Of terms that keyword searches will ask for, and of callers' sparse vectors, Qdrant takes only what is declared
    # here.
    names = [TERMS, SPARSE] if info.sparse else [TERMS]
    return {
        "vectors_config": models.VectorParams(
            size=info.dimension, distance=_DISTANCES[info.metric], on_disk=options.on_disk
        ),
        "sparse_vectors_config": {name: models.SparseVectorParams() for name in names},
        "metadata": {INFO: json.dumps(info.to_json())},
        **creation_arguments(options),
    }
