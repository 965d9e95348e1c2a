"""Pinecone's HTTP API for its real client: control plane on one port, each index on its own.

Refuses what the service refuses, shuffles matches, answers squared distances, and lets each kind of read lag behind
writes. What the service does with missing fields under `$ne`, `$nin`, `$exists: false` and `$or` is not known:
`Behaviour.missing` has both.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wire.http import Refused, Request, Response, serve
from wire.pinecone_bodies import (
    bad,
    checked_id,
    checked_metadata,
    control,
    known,
    product,
    sparse_of,
    values_of,
    vector_of,
)

VERSION = "2026-07"
VIEWS = ("query", "fetch", "list", "stats")
_REGIONS = {"aws": ("us-east-1", "us-west-2", "eu-west-1"), "gcp": ("us-central1",), "azure": ("eastus2",)}


@dataclass
class Behaviour:
    """`delays`: seconds by which a view lags. `missing`: "match" or "skip": whether a negation holds on a missing
    field.

    `rate_limited`: how many data requests get 429 first; `retry_after`: the header with it, or None.
    `document_index`: indexes behave like those with a schema of their own. `host_port`: the port that stands in an
    index's `host`, for the one that it listens on. `plan`: "starter" has one region and no dedicated nodes.
    """

    delays: dict[str, float] = field(default_factory=dict)
    missing: str = "match"
    rate_limited: int = 0
    retry_after: str | None = None
    document_index: bool = False
    host_port: Callable[[int], int] = int
    plan: str = "standard"
    state: str = "Ready"


class _Index:
    def __init__(self, body: dict[str, Any], behaviour: Behaviour, key: str) -> None:
        values = body["schema"]["fields"]["_values"]
        self.body, self.behaviour, self.key = body, behaviour, key
        self.dimension, self.metric = values["dimension"], values["metric"]
        self.sparse = "_sparse_values" in body["schema"]["fields"]
        self.views: dict[str, dict[str, dict[str, Any]]] = {view: {} for view in VIEWS}
        self.pending: dict[str, list[tuple[float, Callable[[dict[str, dict[str, Any]]], None], str, int]]] = {
            view: [] for view in VIEWS
        }
        self.indexed: dict[str, int] = {}
        self.lsn = 0
        self.lock = threading.RLock()
        self.random = random.Random(1)

    def view(self, name: str) -> dict[str, dict[str, Any]]:
        now = time.monotonic()
        waiting = self.pending[name]
        while waiting and waiting[0][0] <= now:
            _, change, namespace, lsn = waiting.pop(0)
            change(self.views[name])
            if name == "query":
                self.indexed[namespace] = lsn
        return self.views[name]

    def write(self, namespace: str, change: Callable[[dict[str, dict[str, Any]]], None]) -> dict[str, str]:
        self.lsn += 1
        for view in VIEWS:
            self.pending[view].append(
                (time.monotonic() + self.behaviour.delays.get(view, 0.0), change, namespace, self.lsn)
            )
        return {"x-pinecone-request-lsn": str(self.lsn)}

    # Requests

    def __call__(self, request: Request) -> Response:
        _check_headers(request, self.key)
        with self.lock:
            if self.behaviour.rate_limited > 0:
                self.behaviour.rate_limited -= 1
                after = self.behaviour.retry_after
                raise Refused(
                    429,
                    {"code": 8, "message": "Too many requests", "details": []},
                    {} if after is None else {"retry-after": after},
                )
            if request.path == "/namespaces" and request.method == "GET":
                return self.namespaces(request)
            handler = _ROUTES.get((request.method, request.path))
            if handler is None:
                raise bad("Not Found", 404, 5)
            body = request.json() or {}
            return handler(self, request, body)

    def upsert(self, request: Request, body: dict[str, Any]) -> Response:
        known(body, "vectors", "namespace")
        if len(request.content) > 2 << 20:
            raise bad("Error, message length too large: found over 2097152 bytes, the limit is: 2097152 bytes", 400, 11)
        if len(body["vectors"]) > 1000:
            raise bad("Vector count exceeds the maximum of 1000")
        if self.behaviour.document_index:
            raise bad("Vector upserts are not supported on an index with a document schema")
        rows = {}
        for vector in body["vectors"]:
            known(vector, "id", "values", "sparseValues", "metadata")
            rows[checked_id(vector["id"])] = self._row(vector)
        namespace = _namespace(body)
        headers = self.write(namespace, lambda state: state.setdefault(namespace, {}).update(rows))
        return Response({"upsertedCount": len(rows)}, headers=headers)

    def _row(self, vector: dict[str, Any]) -> dict[str, Any]:
        values = vector["values"]
        if len(values) != self.dimension:
            raise bad(f"Vector dimension {len(values)} does not match the dimension of the index {self.dimension}")
        if any(value is None for value in values):
            raise bad("Invalid value for vector: null")
        stored = np.asarray(values, dtype=np.float32)
        if not stored.any():
            raise bad(
                f"Dense vectors must contain at least one non-zero value. Vector ID '{vector['id']}' contains only "
                "zeros"
            )
        row = {"values": stored, "metadata": checked_metadata(vector["id"], vector.get("metadata") or {})}
        return row if vector.get("sparseValues") is None else {**row, "sparse": self._checked(vector["sparseValues"])}

    def _checked(self, sparse: dict[str, Any]) -> dict[int, float]:
        """Refused too where no sparse values were declared, and for a metric under which they do not rank."""
        if not self.sparse or self.metric != "dotproduct":
            raise bad("Index configuration does not support sparse values")
        return sparse_of(sparse)

    def query(self, request: Request, body: dict[str, Any]) -> Response:
        known(body, "topK", "vector", "sparseVector", "filter", "includeValues", "includeMetadata", "namespace")
        terms = {} if body.get("sparseVector") is None else self._checked(body["sparseVector"])
        if not 1 <= body["topK"] <= 10_000:
            raise bad("top_k must be between 1 and 10000")
        if len(body["vector"]) != self.dimension:
            raise bad(
                f"Vector dimension {len(body['vector'])} does not match the dimension of the index {self.dimension}"
            )
        namespace = _namespace(body)
        state = self.view("query").get(namespace, {})
        query = np.asarray(body["vector"], dtype=np.float64)
        rows = (
            []
            if self.behaviour.document_index
            else [(name, row) for name, row in state.items() if self.matches(row, body.get("filter"))]
        )
        scored = [
            (self._score(row["values"].astype(np.float64), query) + product(row, terms), name, row)
            for name, row in rows
        ]
        scored.sort(key=lambda entry: entry[0] if self.metric == "euclidean" else -entry[0])
        kept = scored[: body["topK"]]
        if body["topK"] >= 3:
            self.random.shuffle(kept)
        matches = []
        for score, name, row in kept:
            match = {"id": name, "score": float(np.float32(score)), "values": []}
            if body.get("includeValues"):
                match |= values_of(row)
            if body.get("includeMetadata"):
                match["metadata"] = row["metadata"]
            matches.append(match)
        answer = {"matches": matches, "namespace": namespace, "usage": {"readUnits": 1}}
        if len(json.dumps(answer)) > 4 << 20:
            raise bad("Response size exceeds the limit of 4MB", 400, 11)
        return Response(answer, headers={"x-pinecone-max-indexed-lsn": str(self.indexed.get(namespace, 0))})

    def _score(self, row: Any, query: Any) -> float:
        if self.metric == "euclidean":
            return float(((row - query) ** 2).sum())
        product = float(row @ query)
        return product if self.metric == "dotproduct" else product / float(np.linalg.norm(row) * np.linalg.norm(query))

    def fetch(self, request: Request, body: dict[str, Any]) -> Response:
        ids = [value for name, value in request.query if name == "ids"]
        if len(ids) > 1000 or sum(map(len, ids)) > 30_000:
            raise bad("Request-URI Too Large", 414, 3)
        namespace = request.argument("namespace") or "__default__"
        state = {} if self.behaviour.document_index else self.view("fetch").get(namespace, {})
        return Response(
            {
                "vectors": {name: vector_of(name, state[name]) for name in ids if name in state},
                "namespace": namespace,
                "usage": {"readUnits": 1},
            }
        )

    def fetch_by_metadata(self, request: Request, body: dict[str, Any]) -> Response:
        known(body, "filter", "limit", "paginationToken", "namespace")
        if not body.get("filter"):
            raise bad("Filter must not be empty")
        limit, start = body.get("limit", 100), int(body.get("paginationToken") or 0)
        if not 1 <= limit <= 10_000:
            raise bad("limit must be between 1 and 10000")
        namespace = _namespace(body)
        state = {} if self.behaviour.document_index else self.view("fetch").get(namespace, {})
        # Insertion order: no order that a caller may count on.
        found = [name for name, row in state.items() if self.matches(row, body["filter"])]
        page = found[start : start + limit]
        answer: dict[str, Any] = {
            "vectors": {name: vector_of(name, state[name]) for name in page},
            "namespace": namespace,
        }
        if start + limit < len(found):
            answer["pagination"] = {"next": str(start + limit)}
        if len(json.dumps(answer)) > 4 << 20:
            raise bad("Response size exceeds the limit of 4MB", 400, 11)
        return Response(answer)

    def delete(self, request: Request, body: dict[str, Any]) -> Response:
        known(body, "ids", "filter", "deleteAll", "namespace")
        namespace = _namespace(body)
        if namespace not in self.view("query"):
            raise bad("Namespace not found", 404, 5)
        if "filter" in body and not body["filter"]:
            raise bad("Filter must not be empty")
        if body.get("filter"):
            ids = [name for name, row in self.view("query")[namespace].items() if self.matches(row, body["filter"])]
        elif body.get("deleteAll"):
            ids = list(self.view("query")[namespace])
        else:
            ids = body["ids"]
            if len(ids) > 1000:
                raise bad("Too many IDs: at most 1000")

        def change(state: dict[str, dict[str, Any]]) -> None:
            for name in ids:
                state.get(namespace, {}).pop(name, None)

        return Response({}, headers=self.write(namespace, change))

    def update(self, request: Request, body: dict[str, Any]) -> Response:
        known(body, "id", "filter", "setMetadata", "values", "sparseValues", "dryRun", "namespace")
        namespace = _namespace(body)
        words = {} if body.get("sparseValues") is None else {"sparse": self._checked(body["sparseValues"])}
        if "filter" in body:
            if not body["filter"]:
                raise bad("Filter must not be empty")
            state = {} if self.behaviour.document_index else self.view("query").get(namespace, {})
            ids = [name for name, row in state.items() if self.matches(row, body["filter"])]
            if body.get("dryRun"):
                return Response({"matchedRecords": len(ids)})
        else:
            ids = [checked_id(body["id"])]
        metadata = checked_metadata(ids[0] if ids else "", body.get("setMetadata") or {})

        def change(state: dict[str, dict[str, Any]]) -> None:
            for name in ids:
                row = state.get(namespace, {}).get(name)
                if row is not None:
                    state[namespace][name] = {**row, **words, "metadata": {**row["metadata"], **metadata}}

        headers = self.write(namespace, change)
        return Response({"matchedRecords": len(ids)} if "filter" in body else {}, headers=headers)

    def stats(self, request: Request, body: dict[str, Any]) -> Response:
        state = self.view("stats")
        counts = {name: {"vectorCount": len(rows)} for name, rows in state.items()}
        return Response(
            {
                "namespaces": counts,
                "dimension": self.dimension,
                "indexFullness": 0,
                "totalVectorCount": sum(len(rows) for rows in state.values()),
            }
        )

    def list_ids(self, request: Request, body: dict[str, Any]) -> Response:
        namespace, limit = request.argument("namespace") or "__default__", int(request.argument("limit") or 100)
        if limit > 100:
            raise bad("limit must be at most 100")
        prefix, after = request.argument("prefix") or "", request.argument("paginationToken") or ""
        names = sorted(
            name for name in self.view("list").get(namespace, {}) if name.startswith(prefix) and name > after
        )
        answer: dict[str, Any] = {"vectors": [{"id": name} for name in names[:limit]], "namespace": namespace}
        if len(names) > limit:
            answer["pagination"] = {"next": names[limit - 1]}
        return Response({**answer, "usage": {"readUnits": 1}})

    def namespaces(self, request: Request) -> Response:
        names = sorted(name for name, rows in self.view("list").items() if rows)
        limit, start = int(request.argument("limit") or 100), int(request.argument("paginationToken") or 0)
        if limit > 100:
            raise bad("limit must be at most 100")
        body: dict[str, Any] = {
            "namespaces": [
                {"name": name, "record_count": str(len(self.views["list"][name]))}
                for name in names[start : start + limit]
            ]
        }
        if start + limit < len(names):
            body["pagination"] = {"next": str(start + limit)}
        return Response({**body, "total_count": len(names)})

    # Filters

    def matches(self, row: dict[str, Any], condition: Any) -> bool:
        return condition is None or self._holds(row["metadata"], condition, top=True)

    def _holds(self, metadata: dict[str, Any], condition: Any, *, top: bool = False) -> bool:
        if not isinstance(condition, dict) or not condition:
            raise bad("Invalid filter: it must be a non-empty object")
        parts = []
        for key, value in condition.items():
            if key in ("$and", "$or"):
                if not isinstance(value, list) or not value:
                    raise bad(f"the {key} operator must be followed by a list of filter expressions")
                results = [self._holds(metadata, part) for part in value]
                if key == "$or" and self.behaviour.missing == "skip" and not _fields(value) <= set(metadata):
                    # Seen in 2024: an `$or` over two fields wanted both to be there.
                    results = [False]
                parts.append(all(results) if key == "$and" else any(results))
            elif key.startswith("$"):
                raise bad(f"{key} is not allowed at the top of a filter")
            else:
                parts.append(self._field(metadata, key, value))
        return all(parts)

    def _field(self, metadata: dict[str, Any], key: str, given: Any) -> bool:
        if isinstance(given, list):
            raise bad(f"Invalid filter: a list literal under {key}; use $in")
        conditions = given if isinstance(given, dict) else {"$eq": given}
        present = key in metadata
        values = metadata.get(key)
        many = values if isinstance(values, list) else [values] if present else []
        results = []
        for operator, literal in conditions.items():
            if operator in ("$in", "$nin"):
                if not isinstance(literal, list) or len(literal) > 10_000:
                    raise bad(f"{operator} takes a list of at most 10000 values")
                found = _is_among(many, literal)
                results.append(found if operator == "$in" else self._negated(present, found))
            elif operator in ("$eq", "$ne"):
                found = any(_same(value, literal) for value in many)
                results.append(found if operator == "$eq" else self._negated(present, found))
            elif operator in ("$gt", "$gte", "$lt", "$lte"):
                if isinstance(literal, bool) or not isinstance(literal, int | float):
                    raise bad(
                        f"the {operator} operator must be followed by a number, got {json.dumps(literal)} instead"
                    )
                results.append(any(_compare(operator, value, literal) for value in many))
            elif operator == "$exists":
                results.append(present if literal else self._negated(present, present))
            else:
                raise bad(f"Invalid operator {operator}")
        return all(results)

    def _negated(self, present: bool, found: bool) -> bool:
        return not found if present else self.behaviour.missing == "match"


def _fields(conditions: list[dict[str, Any]]) -> set[str]:
    names: set[str] = set()
    for condition in conditions:
        for key, value in condition.items():
            names |= _fields(value) if key.startswith("$") else {key}
    return names


def _is_among(values: list[Any], literals: list[Any]) -> bool:
    if set(map(type, literals)) == {str}:
        # The usual case: filters by tokens, of which there may be hundreds.
        return not set(literals).isdisjoint(value for value in values if isinstance(value, str))
    return any(_same(value, literal) for value in values for literal in literals)


def _same(value: Any, literal: Any) -> bool:
    return (
        isinstance(value, str) is isinstance(literal, str)
        and isinstance(value, bool) is isinstance(literal, bool)
        and value == literal
    )


def _compare(operator: str, value: Any, literal: float) -> bool:
    if isinstance(value, bool | str):
        return False
    return {"$gt": value > literal, "$gte": value >= literal, "$lt": value < literal, "$lte": value <= literal}[
        operator
    ]


def _namespace(body: dict[str, Any]) -> str:
    name = body.get("namespace") or "__default__"
    if not name.isascii():
        raise bad("Namespace must be ASCII")
    return str(name)


def _check_headers(request: Request, key: str) -> None:
    if request.headers.get("api-key") != key:
        raise Refused(401, {"error": {"code": "UNAUTHENTICATED", "message": "Invalid API Key"}, "status": 401})
    if request.headers.get("x-pinecone-api-version") != VERSION:
        raise bad(f"API version {request.headers.get('x-pinecone-api-version')} is not served here")


_ROUTES: dict[tuple[str, str], Callable[[_Index, Request, dict[str, Any]], Response]] = {
    ("POST", "/vectors/upsert"): _Index.upsert,
    ("POST", "/query"): _Index.query,
    ("GET", "/vectors/fetch"): _Index.fetch,
    ("POST", "/vectors/fetch_by_metadata"): _Index.fetch_by_metadata,
    ("GET", "/vectors/list"): _Index.list_ids,
    ("POST", "/vectors/delete"): _Index.delete,
    ("POST", "/vectors/update"): _Index.update,
    ("POST", "/describe_index_stats"): _Index.stats,
}


class PineconeServer:
    """The control plane."""

    def __init__(self, *, key: str = "secret", behaviour: Behaviour | None = None) -> None:
        self.key, self.behaviour = key, behaviour or Behaviour()
        self.indexes: dict[str, tuple[dict[str, Any], contextlib.ExitStack, _Index]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        _check_headers(request, self.key)
        parts = [part for part in request.path.split("/") if part]
        if not parts or parts[0] != "indexes" or len(parts) > 2:
            raise control("Not Found", 404, "NOT_FOUND")
        with self._lock:
            if len(parts) == 1:
                if request.method == "POST":
                    return Response(self.create(request.json()), 201)
                return Response({"indexes": [body for body, _, _ in self.indexes.values()]})
            if parts[1] not in self.indexes:
                raise control(f"Resource {parts[1]} not found", 404, "NOT_FOUND")
            body, stack, _ = self.indexes[parts[1]]
            if request.method == "DELETE":
                if body["deletion_protection"] == "enabled":
                    raise control(
                        "Deletion protection is enabled for this index. Disable deletion protection before retrying.",
                        403,
                        "FORBIDDEN",
                    )
                del self.indexes[parts[1]]
                stack.close()
                return Response(None, 202)
            if request.method == "PATCH":
                known(request.json(), "tags", "deletion_protection")
                body["tags"] = {**(body["tags"] or {}), **(request.json().get("tags") or {})}
                body["deletion_protection"] = request.json().get("deletion_protection") or body["deletion_protection"]
            return Response(body)

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        known(body, "name", "schema", "deployment", "tags", "deletion_protection", "read_capacity")
        name = body["name"]
        if (
            not 1 <= len(name) <= 45
            or not all(letter in "abcdefghijklmnopqrstuvwxyz0123456789-" for letter in name)
            or "-" in (name[0], name[-1])
        ):
            raise control(
                "Name must consist of lower case alphanumeric characters or '-', at most 45", 400, "INVALID_ARGUMENT"
            )
        if name in self.indexes:
            raise control("Resource already exists", 409, "ALREADY_EXISTS")
        if set(body["schema"]["fields"]) - {"_values", "_sparse_values"}:
            raise control("only dense vector indexes are served here", 400, "INVALID_ARGUMENT")
        values = body["schema"]["fields"]["_values"]
        if not 1 <= values["dimension"] <= 20_000 or values["metric"] not in ("cosine", "dotproduct", "euclidean"):
            raise control("Dimension must be between 1 and 20000", 400, "INVALID_ARGUMENT")
        body["deployment"] = {"cloud": "aws", "region": "us-east-1", **(body.get("deployment") or {})}
        self._check_deployment(body["deployment"])
        capacity = self._read_capacity(body.get("read_capacity"))
        index, stack = _Index(body, self.behaviour, self.key), contextlib.ExitStack()
        port = stack.enter_context(serve(index))
        described = {
            "name": name,
            "host": f"http://127.0.0.1:{self.behaviour.host_port(port)}",
            "status": {"ready": self.behaviour.state == "Ready", "state": self.behaviour.state},
            "schema": body["schema"],
            "deployment": {**body["deployment"], "environment": "test"},
            "deletion_protection": body.get("deletion_protection") or "disabled",
            "read_capacity": capacity,
            "tags": body.get("tags"),
        }
        self.indexes[name] = (described, stack, index)
        return described

    def _check_deployment(self, deployment: dict[str, Any]) -> None:
        cloud, region = deployment["cloud"], deployment["region"]
        if region not in _REGIONS.get(cloud, ()):
            raise control(f"Resource cloud: {cloud} region: {region} not found", 404, "NOT_FOUND")
        if self.behaviour.plan == "starter" and (cloud, region) != ("aws", "us-east-1"):
            raise control(
                f"Your free plan does not support indexes in the {region} region of {cloud}. To create indexes in this "
                "region, upgrade your plan.",
                400,
                "INVALID_ARGUMENT",
            )

    def _read_capacity(self, asked: dict[str, Any] | None) -> dict[str, Any]:
        status = {"state": "Ready", "current_shards": None, "current_replicas": None}
        if asked is None or asked["mode"] == "OnDemand":
            return {"mode": "OnDemand", "status": status}
        if self.behaviour.plan == "starter":
            raise control("Dedicated read nodes are not available on your plan.", 403, "FORBIDDEN")
        dedicated = asked["dedicated"]
        known(dedicated, "node_type", "scaling", "manual")
        if dedicated["node_type"] not in ("b1", "t1") or dedicated["scaling"] != "Manual":
            raise control("Invalid value for read_capacity", 400, "INVALID_ARGUMENT")
        nodes = dedicated["manual"]
        told = {"state": "Ready", "current_shards": nodes["shards"], "current_replicas": nodes["replicas"]}
        return {"mode": "Dedicated", "dedicated": dedicated, "status": told}

    def close(self) -> None:
        for _, stack, _ in self.indexes.values():
            stack.close()


@contextmanager
def pinecone_server(*, key: str = "secret", behaviour: Behaviour | None = None) -> Iterator[tuple[str, PineconeServer]]:
    """Runs it; yields the control plane's URL and the app."""
    app = PineconeServer(key=key, behaviour=behaviour)
    try:
        with serve(app) as port:
            yield f"http://127.0.0.1:{port}", app
    finally:
        app.close()
