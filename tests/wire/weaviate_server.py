"""Weaviate's REST and gRPC for its real client, with the behaviour that its source shows and its documents do not.

Imitated: default limit 10, the 10,000 cap, `field` trims, `word` splits and folds, numbers are float64,
negations hold on missing fields, errors are UNKNOWN with the server's texts, auto-schema is on unless told otherwise.
After `crash` the indexes disagree with the objects as the real one's do (1.35.2) after a kill: only the cursor shows
every object.
"""

from __future__ import annotations

import re
import struct
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from weaviate.proto.v1.v6300.v1 import (
    aggregate_pb2,
    base_pb2,
    batch_delete_pb2,
    batch_pb2,
    properties_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

from wire.http import Refused, Request, Response, serve
from wire.weaviate_words import ranked

MAXIMUM_RESULTS = 10_000
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "the",
        "to",
    ]
)
_O = base_pb2.Filters
_RANGES = frozenset(
    {
        _O.OPERATOR_GREATER_THAN,
        _O.OPERATOR_GREATER_THAN_EQUAL,
        _O.OPERATOR_LESS_THAN,
        _O.OPERATOR_LESS_THAN_EQUAL,
    }
)


@dataclass
class Behaviour:
    """`version` below 1.33 knows neither Not nor ContainsNone."""

    version: str = "1.34.0"
    auto_schema: bool = True
    maximum_results: int = MAXIMUM_RESULTS


class _Failure(Exception):
    pass


@dataclass
class _Object:
    properties: dict[str, Any]
    vector: Any


class _Class:
    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.objects: dict[str, _Object] = {}
        self.size: int | None = None
        # Objects that an index does not know, as after a kill: "filter" (also by id) and "vector".
        self.unknown: dict[str, set[str]] = {"filter": set(), "vector": set()}
        # How many entries of the filter index belong to objects that were replaced.
        self.stale = 0
        # Objects that were deleted: counts without a filter, and what a negation leaves, still hold them (1.35.2).
        self.ghosts = 0
        self.properties: dict[str, dict[str, Any]] = {}
        for one in body.get("properties") or []:
            self.add(one)

    def add(self, one: dict[str, Any]) -> None:
        allowed = {
            "name",
            "dataType",
            "description",
            "tokenization",
            "indexFilterable",
            "indexSearchable",
            "indexRangeFilters",
            "skip_vectorization",
            "vectorize_property_name",
            "moduleConfig",
        }
        if set(one) - allowed:
            raise Refused(422, {"error": [{"message": f"unknown property field {sorted(set(one) - allowed)[0]}"}]})
        name = one["name"][0].lower() + one["name"][1:]
        if re.fullmatch(r"[_A-Za-z][_0-9A-Za-z]{0,230}", name) is None or name.lower() in ("id", "_id", "_additional"):
            raise Refused(422, {"error": [{"message": f"'{name}' is not a valid property name"}]})
        if any(known.lower() == name.lower() for known in self.properties):
            raise Refused(
                422,
                {
                    "error": [
                        {
                            "message": f'class "{self.body["class"]}": conflict for property "{name}": already in '
                            "use or provided multiple times"
                        }
                    ]
                },
            )
        kind = one["dataType"][0]
        stored = {
            "name": name,
            "dataType": [kind],
            "description": "",
            "indexFilterable": True,
            "indexSearchable": kind.startswith("text"),
            "indexRangeFilters": False,
        }
        stored |= {key: value for key, value in one.items() if key in stored and value is not None and key != "name"}
        if kind.startswith("text"):
            stored["tokenization"] = one.get("tokenization") or "word"
        self.properties[name] = stored

    @property
    def distance(self) -> str:
        vectors = self.body["vectorConfig"]["default"]
        return str((vectors.get("vectorIndexConfig") or {}).get("distance") or "cosine")

    @property
    def replicas(self) -> int:
        return int((self.body.get("replicationConfig") or {}).get("factor") or 1)

    def described(self) -> dict[str, Any]:
        given = self.body["vectorConfig"]["default"]
        kind = given.get("vectorIndexType") or "hnsw"
        config = given.get("vectorIndexConfig") or {}
        vectors = {
            "default": {
                "vectorizer": {"none": {}},
                "vectorIndexType": kind,
                "vectorIndexConfig": _described_index(kind, config) | {"distance": self.distance},
            }
        }
        return {
            "class": self.body["class"],
            "description": self.body.get("description", ""),
            "properties": list(self.properties.values()),
            "vectorConfig": vectors,
            "invertedIndexConfig": _over(_INVERTED, self.body.get("invertedIndexConfig") or {}),
            "multiTenancyConfig": {"enabled": False, "autoTenantCreation": False, "autoTenantActivation": False},
            "replicationConfig": {
                "factor": self.replicas,
                "asyncEnabled": False,
                "deletionStrategy": "NoAutomatedResolution",
            },
            "shardingConfig": {
                "virtualPerPhysical": 128,
                "desiredCount": 1,
                "actualCount": 1,
                "desiredVirtualCount": 128,
                "actualVirtualCount": 128,
                "key": "_id",
                "strategy": "hash",
                "function": "murmur3",
            },
        }


_INVERTED: dict[str, Any] = {
    "bm25": {"b": 0.75, "k1": 1.2},
    "cleanupIntervalSeconds": 60,
    "stopwords": {"preset": "en", "additions": None, "removals": None},
}


def _described_index(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """An index's configuration as the server tells it: its defaults, and over them what was asked for."""
    asked = {name: value for name, value in config.items() if value is not None}
    if kind == "dynamic":
        parts = {name: _described_index(name, asked.get(name) or {}) for name in ("hnsw", "flat")}
        return {"threshold": 10_000, "distance": "cosine", **parts}
    codes = {
        "pq": {
            "enabled": False,
            "bitCompression": False,
            "segments": 0,
            "centroids": 256,
            "trainingLimit": 100_000,
            "encoder": {"type": "kmeans", "distribution": "log-normal"},
        },
        "bq": {"enabled": False},
        "sq": {"enabled": False, "trainingLimit": 100_000, "rescoreLimit": 20},
        "rq": {"enabled": False, "bits": 8, "rescoreLimit": 20},
    }
    told = {name: _over(default, asked.get(name) or {}) for name, default in codes.items()}
    if kind == "flat":
        return {"distance": "cosine", "vectorCacheMaxObjects": 1_000_000_000_000, **told}
    graph = {
        "skip": False,
        "cleanupIntervalSeconds": 300,
        "maxConnections": 32,
        "efConstruction": 128,
        "ef": -1,
        "dynamicEfMin": 100,
        "dynamicEfMax": 500,
        "dynamicEfFactor": 8,
        "vectorCacheMaxObjects": 1_000_000_000_000,
        "flatSearchCutoff": 40_000,
        "distance": "cosine",
        "filterStrategy": "acorn",
        "multivector": {"enabled": False},
    }
    return graph | {name: asked[name] for name in graph if name in asked} | told


def _over(default: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    merged = dict(default)
    for name, value in asked.items():
        if value is not None:
            merged[name] = _over(default.get(name) or {}, value) if isinstance(value, dict) else value
    return merged


def _check_index(body: dict[str, Any]) -> None:
    """Refuse what the server refuses (1.35.2), in its words."""
    given = (body.get("vectorConfig") or {}).get("default") or {}
    kind, config = given.get("vectorIndexType") or "hnsw", given.get("vectorIndexConfig") or {}
    before = "parse vector index config: parse vector config for default: parse vector index config: "
    if kind not in ("hnsw", "flat", "dynamic"):
        raise _unprocessable(f"target vector default: unrecognized or unsupported vectorIndexType {kind!r}")
    if kind == "dynamic":
        raise _unprocessable(
            'target vector "default": the dynamic index can only be created when async indexing is enabled'
        )
    for codes in ("pq", "sq") if kind == "flat" else ():
        if (config.get(codes) or {}).get("enabled"):
            raise _unprocessable(f"{before}{codes.upper()} is not currently supported for flat indices")
    if not 4 <= (config.get("maxConnections") or 32) < 2048:
        raise _unprocessable(f"{before}invalid hnsw config: maxConnections must be less than 2048")
    if (config.get("efConstruction") or 128) < 4:
        raise _unprocessable(
            f"{before}invalid hnsw config: efConstruction must be a positive integer with a minimum of 4"
        )
    if (body.get("multiTenancyConfig") or {}).get("enabled"):
        raise _unprocessable("collections with tenants are not imitated here: use the real server")
    replicas = (body.get("replicationConfig") or {}).get("factor") or 1
    if replicas > 1:
        raise _unprocessable(
            "init sharding state: could not find enough weaviate nodes for replication: 1 available, "
            f"{replicas} requested"
        )


def _unprocessable(message: str) -> Refused:
    return Refused(422, {"error": [{"message": message}]})


class WeaviateServer(weaviate_pb2_grpc.WeaviateServicer):
    """State, and both protocols over it."""

    def __init__(self, *, key: str | None = None, behaviour: Behaviour | None = None) -> None:
        self.key, self.behaviour = key, behaviour or Behaviour()
        self.classes: dict[str, _Class] = {}
        self.lock = threading.RLock()
        self.grpc_port = 0

    def crash(self, *, unfiltered: int = 0, unvectored: int = 0, stale: int = 0) -> None:
        """As if it had been killed and started again: that many objects of each class are not in an index any more."""
        with self.lock:
            for found in self.classes.values():
                numbers = sorted(found.objects)
                found.unknown["filter"] |= set(numbers[:unfiltered])
                found.unknown["vector"] |= set(numbers[unfiltered : unfiltered + unvectored])
                found.stale += stale

    # REST

    def __call__(self, request: Request) -> Response:
        if request.path == "/v1/.well-known/openid-configuration":
            raise Refused(404, None)
        if request.path in ("/v1/.well-known/ready", "/v1/.well-known/live"):
            return Response(None)
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(401, {"code": 401, "message": "anonymous access not enabled, please provide an auth scheme"})
        with self.lock:
            return self._rest(request)

    def _rest(self, request: Request) -> Response:
        parts = request.path.removeprefix("/v1/").split("/")
        method = request.method
        match [method, *parts]:
            case ["GET", "meta"]:
                return Response(
                    {
                        "hostname": "http://[::]:8080",
                        "version": self.behaviour.version,
                        "modules": {},
                        "grpcMaxMessageSize": 104_858_000,
                    }
                )
            case ["GET", "schema"]:
                return Response({"classes": [one.described() for one in self.classes.values()]})
            case ["POST", "schema"]:
                return Response(self._create(request.json()).described())
            case [_, "schema", name, *rest]:
                return self._schema(request, self._class_name(name), rest)
            case ["PATCH", "objects", name, number]:
                return self._merge(request, self._class_name(name), number)
        raise Refused(404, {"code": 404, "message": f"path {request.path} was not found"})

    def _class_name(self, name: str) -> str:
        return name[0].upper() + name[1:]

    def _create(self, body: dict[str, Any]) -> _Class:
        allowed = {
            "class",
            "description",
            "properties",
            "vectorConfig",
            "invertedIndexConfig",
            "multiTenancyConfig",
            "replicationConfig",
            "shardingConfig",
            "moduleConfig",
        }
        if set(body) - allowed:
            raise Refused(422, {"error": [{"message": f"unknown class field {sorted(set(body) - allowed)[0]}"}]})
        body["class"] = self._class_name(body["class"])
        name = body["class"]
        if re.fullmatch(r"[A-Z][_0-9A-Za-z]{0,254}", name) is None:
            raise Refused(422, {"error": [{"message": f"'{name}' is not a valid class name"}]})
        if any(known.lower() == name.lower() for known in self.classes):
            raise Refused(422, {"error": [{"message": f"class name {name} already exists"}]})
        _check_index(body)
        made = self.classes[name] = _Class(body)
        return made

    def _schema(self, request: Request, name: str, rest: list[str]) -> Response:
        found = self.classes.get(name)
        if request.method == "DELETE" and not rest:
            self.classes.pop(name, None)
            return Response(None)
        if found is None:
            raise Refused(404, None)
        if request.method == "GET" and not rest:
            return Response(found.described())
        if request.method == "PUT" and not rest:
            asked = request.json()
            found.body["description"] = asked.get("description", "")
            found.body["invertedIndexConfig"] = asked.get("invertedIndexConfig")
            return Response(found.described())
        if request.method == "POST" and rest == ["properties"]:
            found.add(request.json())
            return Response(request.json())
        raise Refused(404, {"code": 404, "message": "not found"})

    def _merge(self, request: Request, name: str, number: str) -> Response:
        found, body = self.classes.get(name), request.json()
        if found is None or number not in found.objects:
            raise Refused(404, None)
        properties = {key: self._value(found, key, value) for key, value in (body.get("properties") or {}).items()}
        found.objects[number] = _Object(
            {**found.objects[number].properties, **properties}, found.objects[number].vector
        )
        return Response(None, 204)

    # Writing

    def _value(self, found: _Class, name: str, value: Any) -> Any:
        about = found.properties.get(name)
        if about is None:
            if not self.behaviour.auto_schema:
                raise _Failure(
                    f"invalid object: no such prop with name '{name}' found in class '{found.body['class']}' in the "
                    "schema. Check your schema files for which properties in this class are available"
                )
            kind = {bool: "boolean", float: "number", int: "number", str: "text"}.get(
                type(value[0] if isinstance(value, list) else value), "text"
            )
            found.add({"name": name, "dataType": [kind + ("[]" if isinstance(value, list) else "")]})
            about = found.properties[name]
        kind = about["dataType"][0]
        values = value if isinstance(value, list) else [value]
        if kind.endswith("[]") is not isinstance(value, list):
            raise _Failure(
                f"invalid {kind} property '{name}' on class '{found.body['class']}': not a {kind}, but "
                f"{type(value).__name__}"
            )
        plain = kind.removesuffix("[]")
        right = {"text": str, "number": (int, float), "int": (int, float), "boolean": bool}[plain]
        for one in values:
            if (
                not isinstance(one, right)
                or (plain != "boolean" and isinstance(one, bool))
                or (plain == "int" and not float(one).is_integer())
            ):
                raise _Failure(f"invalid {plain} property '{name}' on class '{found.body['class']}': not a {plain}")
        # Every number is a float64 here, whatever it was called.
        return (
            [float(one) for one in values]
            if plain in ("number", "int") and isinstance(value, list)
            else float(value)
            if plain in ("number", "int")
            else value
        )

    def BatchObjects(self, request: Any, context: Any) -> Any:
        self._authorise(context)
        reply = batch_pb2.BatchObjectsReply(took=0.001)
        with self.lock:
            for index, one in enumerate(request.objects):
                try:
                    self._store(one)
                except (_Failure, Refused) as error:
                    reply.errors.add(index=index, error=str(error))
        return reply

    def _store(self, one: Any) -> None:
        found = self.classes.get(one.collection)
        if found is None:
            if not self.behaviour.auto_schema:
                raise _Failure(f"could not find class {one.collection} in schema")
            found = self._create({"class": one.collection, "vectorConfig": {"default": {"vectorizer": {"none": {}}}}})
        properties = MessageToDict(one.properties.non_ref_properties)
        for many in (
            one.properties.text_array_properties,
            one.properties.number_array_properties,
            one.properties.boolean_array_properties,
        ):
            for each in many:
                values = list(each.values)
                if hasattr(each, "values_bytes") and each.values_bytes:
                    values = list(struct.unpack(f"<{len(each.values_bytes) // 8}d", each.values_bytes))
                properties[each.prop_name] = values
        stored = {name: self._value(found, name, value) for name, value in properties.items()}
        data = one.vectors[0].vector_bytes if one.vectors else one.vector_bytes
        vector = np.frombuffer(data, dtype="<f4")
        if found.size is None and len(vector):
            found.size = len(vector)
        if len(vector) != found.size:
            raise _Failure(
                f"inserting into vector index: new node has a vector with length {len(vector)}. Existing nodes have "
                f"vectors with length {found.size}"
            )
        number = str(uuid.UUID(one.uuid))
        there = found.objects.get(number)
        if there is not None and there.properties == stored and np.array_equal(there.vector, vector):
            return  # Nothing is written where nothing changes, to no index either.
        if there is None or not np.array_equal(there.vector, vector):
            for index in found.unknown.values():
                index.discard(number)
        # A replaced object gets a new place.
        found.objects.pop(number, None)
        found.objects[number] = _Object(stored, vector)

    def BatchDelete(self, request: Any, context: Any) -> Any:
        self._authorise(context)
        with self.lock:
            found = self._find(request.collection, context)
            ids = self._matching(found, request.filters, context)
            gone = [] if request.dry_run else ids[: self.behaviour.maximum_results]
            for number in gone:
                del found.objects[number]
            found.ghosts += len(gone)
        return batch_delete_pb2.BatchDeleteReply(took=0.001, failed=0, matches=len(ids), successful=len(gone))

    # Reading

    def Search(self, request: Any, context: Any) -> Any:
        self._authorise(context)
        with self.lock:
            found = self._find(request.collection, context)
            limit = request.limit or 10
            if request.offset + limit > self.behaviour.maximum_results:
                self._fail(
                    context,
                    f"query maximum results exceeded: {request.offset + limit} > {self.behaviour.maximum_results}",
                )
            if request.after and (request.HasField("filters") or request.sort_by or request.offset):
                self._fail(context, "where cannot be set with after and limit parameters")
            if request.HasField("near_vector"):
                rows = self._nearest(found, request, limit, context)
            elif request.HasField("bm25_search"):
                rows = self._by_words(found, request, limit, context)
            else:
                rows = [(number, None) for number in self._listed(found, request, limit, context)]
            reply = search_get_pb2.SearchReply(took=0.001)
            for number, raw in rows:
                self._result(reply.results.add(), found, number, raw=raw, request=request)
        return reply

    def _listed(self, found: _Class, request: Any, limit: int, context: Any) -> list[str]:
        ids = self._matching(found, request.filters if request.HasField("filters") else None, context)
        sort = request.sort_by
        if sort:
            [path] = sort[0].path
            if request.HasField("filters") and not request.filters.filters:
                # A filter of one leaf is cut before the sort; a range comes in the order of its own property.
                if request.filters.target.property == path:
                    ids.sort(key=lambda number: str(found.objects[number].properties.get(path)))
                ids = ids[: limit + request.offset]
            # Sorting ignores case.
            ids.sort(
                key=lambda number: str(found.objects[number].properties.get(path)).lower(),
                reverse=not sort[0].ascending,
            )
        else:
            ids.sort()
            if request.after:
                ids = [number for number in ids if number > request.after]
        return ids[request.offset : request.offset + limit]

    def _nearest(self, found: _Class, request: Any, limit: int, context: Any) -> list[tuple[str, float]]:
        near = request.near_vector
        data = near.vectors[0].vector_bytes if near.vectors else near.vector_bytes
        if not data and near.vector_for_targets:
            target = near.vector_for_targets[0]
            data = target.vectors[0].vector_bytes if target.vectors else target.vector_bytes
        query = np.frombuffer(data, dtype="<f4").astype(np.float64)
        ids = self._matching(found, request.filters if request.HasField("filters") else None, context)
        ids = [number for number in ids if number not in found.unknown["vector"] | found.unknown["filter"]]
        if ids and len(query) != found.size:
            self._fail(context, f"vector search: vector lengths don't match: {found.size} vs {len(query)}")
        if not ids:
            return []
        matrix = np.asarray([found.objects[number].vector for number in ids]).astype(np.float64)
        if found.distance == "l2-squared":
            distances = ((matrix - query) ** 2).sum(axis=1)
        elif found.distance == "dot":
            distances = -(matrix @ query)
        else:
            norms = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query)
            distances = np.maximum(0, 1 - matrix @ query / np.where(norms == 0, 1, norms))
        distances = distances.astype(np.float32)
        order = np.argsort(distances, kind="stable")[::1][: request.offset + limit][request.offset :]
        return [(ids[position], float(distances[position])) for position in order]

    def _by_words(self, found: _Class, request: Any, limit: int, context: Any) -> list[tuple[str, float]]:
        [name] = request.bm25_search.properties
        about = found.properties.get(name)
        if about is None or not about["indexSearchable"] or about["tokenization"] != "whitespace":
            self._fail(context, f"Searching by property '{name}' requires searchable index of white space")
            raise AssertionError
        ids = self._matching(found, request.filters if request.HasField("filters") else None, context)
        texts = {number: str(stored.properties.get(name) or "") for number, stored in found.objects.items()}
        formula = found.described()["invertedIndexConfig"]["bm25"]
        return ranked(texts, request.bm25_search.query, formula=formula, limit=limit, allowed=set(ids))

    def _result(self, result: Any, found: _Class, number: str, *, raw: float | None, request: Any) -> None:
        stored = found.objects[number]
        meta = result.metadata
        meta.id = number
        meta.id_as_bytes = uuid.UUID(number).bytes
        if request.metadata.vector or request.metadata.vectors:
            meta.vectors.add(
                name="default", vector_bytes=stored.vector.tobytes(), type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
            )
            meta.vector_bytes = stored.vector.tobytes()
        if raw is not None and request.metadata.distance:
            meta.distance, meta.distance_present = raw, True
        if raw is not None and request.metadata.score:
            meta.score, meta.score_present = raw, True
        wanted = set(request.properties.non_ref_properties)
        for name, value in stored.properties.items():
            everything = not request.HasField("properties") or request.properties.return_all_nonref_properties
            if everything or name in wanted:
                _to_value(result.properties.non_ref_props.fields[name], value)

    def Aggregate(self, request: Any, context: Any) -> Any:
        self._authorise(context)
        with self.lock:
            found = self._find(request.collection, context)
            chosen = request.filters if request.HasField("filters") else None
            ids = self._matching(found, chosen, context)
            seen = chosen is None or self._holds(found, "", _Object({}, None), chosen)
            ghosts = found.ghosts if seen else 0
        single = aggregate_pb2.AggregateReply.Single(objects_count=len(ids) + found.stale + ghosts)
        return aggregate_pb2.AggregateReply(took=0.001, single_result=single)

    # Filters

    def _matching(self, found: _Class, given: Any, context: Any) -> list[str]:
        try:
            return [
                number
                for number, one in found.objects.items()
                if given is None or (number not in found.unknown["filter"] and self._holds(found, number, one, given))
            ]
        except _Failure as error:
            self._fail(context, str(error))
            raise

    def _holds(self, found: _Class, number: str, one: _Object, given: Any) -> bool:
        operator = given.operator
        if operator == _O.OPERATOR_AND:
            return all(self._holds(found, number, one, part) for part in given.filters)
        if operator == _O.OPERATOR_OR:
            return any(self._holds(found, number, one, part) for part in given.filters)
        if operator in (_O.OPERATOR_NOT, _O.OPERATOR_CONTAINS_NONE) and self._release() < (1, 33):
            raise _Failure(f"unknown filter operator {operator}")
        if operator == _O.OPERATOR_NOT:
            return not self._holds(found, number, one, given.filters[0])
        name = given.target.property
        kind, literals = _literals(given)
        if name in ("_id", "id"):
            values, about = [number], {"dataType": ["text"], "tokenization": "field"}
        else:
            about = found.properties.get(name)  # type: ignore[assignment]
            if about is None:
                raise _Failure(
                    f"no such prop with name '{name}' found in class '{found.body['class']}' in the schema. Check "
                    "your schema files for which properties in this class are available"
                )
            stored = one.properties.get(name)
            values = stored if isinstance(stored, list) else [] if stored is None else [stored]
        plain = about["dataType"][0].removesuffix("[]")
        if kind != plain and not (kind == "int" and plain == "number"):
            raise _Failure(f"data type filter cannot use {kind} on type {plain}, use {plain} instead")
        compares = given.operator in _RANGES and about.get("indexRangeFilters")
        if about.get("indexFilterable") is False and not compares:
            raise _Failure(f"filtering on property '{name}' requires inverted index to be enabled")
        return self._leaf(operator, values, literals, about)

    def _release(self) -> tuple[int, int]:
        major, minor, *_ = self.behaviour.version.split(".")
        return int(major), int(minor)

    def _leaf(self, operator: int, values: list[Any], literals: list[Any], about: dict[str, Any]) -> bool:
        how = about.get("tokenization")
        terms = {term for value in values for term in _terms(value, how)}

        def equal(literal: Any) -> bool:
            wanted = _terms(literal, how)
            if how == "word" and wanted and set(wanted) <= STOP_WORDS:
                raise _Failure(
                    "invalid search term, only stopwords provided. Stopwords can be configured in "
                    "class.invertedIndexConfig.stopwords"
                )
            return bool(wanted) and all(term in terms for term in wanted)

        match operator:
            case _O.OPERATOR_EQUAL:
                return equal(literals[0])
            case _O.OPERATOR_NOT_EQUAL:
                return not equal(literals[0])
            case _O.OPERATOR_CONTAINS_ANY:
                return any(equal(literal) for literal in literals)
            case _O.OPERATOR_CONTAINS_ALL:
                return all(equal(literal) for literal in literals)
            case _O.OPERATOR_CONTAINS_NONE:
                return not any(equal(literal) for literal in literals)
        ordered = [value.strip().encode() if isinstance(value, str) else value for value in values]
        literal = literals[0].strip().encode() if isinstance(literals[0], str) else literals[0]
        match operator:
            case _O.OPERATOR_GREATER_THAN:
                return any(value > literal for value in ordered)
            case _O.OPERATOR_GREATER_THAN_EQUAL:
                return any(value >= literal for value in ordered)
            case _O.OPERATOR_LESS_THAN:
                return any(value < literal for value in ordered)
            case _O.OPERATOR_LESS_THAN_EQUAL:
                return any(value <= literal for value in ordered)
        raise _Failure(f"unknown filter operator {operator}")

    # Refusals

    def _find(self, name: str, context: Any) -> _Class:
        found = self.classes.get(name)
        if found is None:
            self._fail(context, f"could not find class {name} in schema")
            raise AssertionError
        return found

    def _authorise(self, context: Any) -> None:
        given = {key.lower(): value for key, value in context.invocation_metadata()}
        if self.key is not None and given.get("authorization") != f"Bearer {self.key}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized: invalid api key")

    def _fail(self, context: Any, text: str) -> None:
        context.abort(grpc.StatusCode.UNKNOWN, text)


def _terms(value: Any, how: str | None) -> list[Any]:
    if not isinstance(value, str):
        return [value]
    if how == "field":
        return [value.strip()]
    return [term.lower() for term in re.split(r"[^0-9A-Za-z]+", value) if term]


def _literals(given: Any) -> tuple[str, list[Any]]:
    match given.WhichOneof("test_value"):
        case "value_text":
            return "text", [given.value_text]
        case "value_number":
            return "number", [given.value_number]
        case "value_int":
            return "int", [given.value_int]
        case "value_boolean":
            return "boolean", [given.value_boolean]
        case "value_text_array":
            return "text", list(given.value_text_array.values)
        case other:
            raise _Failure(f"unknown value type {other}")


def _to_value(target: properties_pb2.Value, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, float):
        target.number_value = value
    elif isinstance(value, str):
        target.text_value = value
    elif value and isinstance(value[0], float):
        target.list_value.number_values.values = struct.pack(f"<{len(value)}d", *value)
    else:
        target.list_value.text_values.values.extend(value)


@contextmanager
def weaviate_server(
    *, key: str | None = None, behaviour: Behaviour | None = None
) -> Iterator[tuple[str, WeaviateServer]]:
    """Runs it; yields `weaviate://host:port?grpc_port=…` and the app."""
    app = WeaviateServer(key=key, behaviour=behaviour)
    options = [("grpc.max_receive_message_length", 104_858_000), ("grpc.max_send_message_length", 104_858_000)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=options)
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(app, server)
    app.grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with serve(app) as port:
            yield f"weaviate://127.0.0.1:{port}?grpc_port={app.grpc_port}", app
    finally:
        server.stop(grace=None).wait()
