"""Qdrant's REST routes in front of its real engine (`qdrant_edge`), with the refusals that the engine leaves to the
server.

Strict mode is on: a filter may only use indexed fields. Keys: "secret" may do everything, "reader" may read.
Run as a program (`python -m wire.qdrant_server DIRECTORY PORT [KEY]`) it keeps its collections, also when it is killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from wire.http import Refused, Request, Response, serve
from wire.qdrant_bodies import only, refuse, shown, vector_of, vectors_of

LARGEST_BODY = 32 << 20
# Points whose vectors the server updates in one step.
_AT_ONCE = 32
ABOUT = {"title": "qdrant - vector search engine", "version": "1.17.0", "commit": "d1e8c5a"}
_DISTANCES = {"Cosine": edge.Distance.Cosine, "Dot": edge.Distance.Dot, "Euclid": edge.Distance.Euclid}


class _Collection:
    """A shard, and in `about.json` beside it what the engine does not keep: the collection's name and metadata."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.name, self.size, self.distance = about["name"], about["size"], about["distance"]
        self.lock = threading.Lock()
        shard = path / "shard"
        if shard.is_dir():
            self.shard = edge.EdgeShard.load(str(shard))
            return
        shard.mkdir(parents=True)
        self.shard = edge.EdgeShard.create(str(shard), _engine_config(about))
        self.save()

    # Refuses filters without an index; how long one takes to make.
    strict = True
    # Adds vectors to collections that were made without, as late versions do.
    adds_vectors = True
    index_s = 0.0

    @property
    def indexed(self) -> dict[str, Any]:
        found: dict[str, Any] = self.about["indexed"]
        return found

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.about["metadata"]
        return found

    def save(self) -> None:
        new = self.path / "about.new"
        new.write_text(json.dumps(self.about))
        os.replace(new, self.path / "about.json")

    def remove(self) -> None:
        self.shard.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _engine_config(about: dict[str, Any]) -> Any:
    config = about["config"]
    quantization = _engine_quantization(config["quantization_config"])
    graph = config["hnsw_config"]
    vectors = edge.EdgeVectorParams(
        size=about["size"], distance=_DISTANCES[about["distance"]], on_disk=config["on_disk"]
    )
    return edge.EdgeConfig(
        vectors=vectors,
        sparse_vectors={name: edge.EdgeSparseVectorParams() for name in about["sparse"]},
        on_disk_payload=config["params"]["on_disk_payload"],
        hnsw_config=edge.HnswIndexConfig(
            graph["m"], graph["ef_construct"], graph["full_scan_threshold"], on_disk=graph.get("on_disk")
        ),
        quantization_config=quantization,
        # The server makes codes from some megabytes on; here they are made of anything, so that tests meet them.
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1) if quantization is not None else None,
    )


def _engine_quantization(body: dict[str, Any] | None) -> Any:
    if body is None:
        return None
    [(kind, codes)] = body.items()
    in_memory = codes.get("always_ram")
    if kind == "scalar":
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, codes.get("quantile"), in_memory)
    if kind == "product":
        return edge.ProductQuantizationConfig(getattr(edge.CompressionRatio, codes["compression"].upper()), in_memory)
    return edge.BinaryQuantizationConfig(in_memory)


def _check_quantization(body: dict[str, Any] | None) -> None:
    if body is None:
        return
    if len(body) != 1 or set(body) - {"scalar", "product", "binary"}:
        raise refuse(400, "Format error in JSON body: data did not match any variant of untagged enum Quantization")
    [(kind, codes)] = body.items()
    known = {"scalar": ("type", "quantile"), "product": ("compression",), "binary": ()}[kind]
    only(codes, "always_ram", *known)
    if not 0.5 <= (codes.get("quantile") or 1) <= 1:
        raise refuse(422, "Validation error in JSON body: [quantization_config.scalar.quantile: must be in 0.5 to 1]")


def _config(body: dict[str, Any]) -> dict[str, Any]:
    """The parts of a new collection's configuration, with a single node's defaults; raises what it refuses."""
    params = {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1}
    for name in params:
        if body.get(name) is not None and body[name] < 1:
            raise refuse(422, f"Validation error in JSON body: [{name}: value 0 invalid, must be 1 or larger]")
        params[name] = body.get(name) or params[name]
    graph = body.get("hnsw_config") or {}
    only(graph, "m", "ef_construct", "on_disk")
    if graph.get("ef_construct") is not None and graph["ef_construct"] < 4:
        raise refuse(422, "Validation error in JSON body: [hnsw_config.ef_construct: value must be 4 or larger]")
    _check_quantization(body.get("quantization_config"))
    default = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
    payload_on_disk = body.get("on_disk_payload")
    return {
        "on_disk": body["vectors"].get("on_disk"),
        "params": {**params, "on_disk_payload": True if payload_on_disk is None else payload_on_disk},
        "hnsw_config": default | {name: value for name, value in graph.items() if value is not None},
        "quantization_config": body.get("quantization_config"),
    }


class QdrantServer:
    """The app. `key` None: nobody is asked for one."""

    def __init__(self, directory: Path, *, key: str | None = None) -> None:
        self._directory = directory
        self._key = key
        self._collections: dict[str, _Collection] = {}
        self._lock = threading.Lock()
        for about in directory.glob("*/about.json"):
            found = _Collection(about.parent, json.loads(about.read_text()))
            self._collections[found.name] = found

    def close(self) -> None:
        for collection in self._collections.values():
            collection.shard.close()

    def __call__(self, request: Request) -> Response:
        if len(request.content) > LARGEST_BODY:
            raise refuse(
                400,
                f"JSON payload ({len(request.content)} bytes) is larger than allowed (limit: {LARGEST_BODY} bytes).",
            )
        return Response({"result": self.result(request), "status": "ok", "time": 0.0})

    def result(self, request: Request) -> Any:
        """What a request is answered with, if it is not refused."""
        self._authorise(request)
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if method == request.method and found:
                return handler(self, request, **found.groupdict())
        raise Refused(404, None)

    def _authorise(self, request: Request) -> None:
        given = request.headers.get("api-key")
        if self._key is None or given == self._key or request.path == "/":
            return
        if given != "reader":
            raise Refused(401, "Must provide an API key or an Authorization bearer token")
        reads = request.method == "GET" or request.path.endswith(("/query", "/scroll", "/count", "/points"))
        if not reads or request.method in ("PUT", "PATCH", "DELETE"):
            raise refuse(403, "Global manage access is required")

    def _find(self, name: str) -> _Collection:
        found = self._collections.get(name)
        if found is None:
            raise refuse(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    # Service and collections

    def root(self, request: Request) -> Any:
        raise Refused(200, ABOUT)

    def cluster(self, request: Request) -> Any:
        return {"status": "disabled"}

    def names(self, request: Request) -> Any:
        return {"collections": [{"name": name} for name in self._collections]}

    def exists(self, request: Request, name: str) -> Any:
        return {"exists": name in self._collections}

    def create(self, request: Request, name: str) -> Any:
        body = request.json()
        only(
            body,
            "vectors",
            "sparse_vectors",
            "metadata",
            "hnsw_config",
            "quantization_config",
            "on_disk_payload",
            "shard_number",
            "replication_factor",
            "write_consistency_factor",
        )
        only(body["vectors"], "size", "distance", "on_disk")
        for sparse in (body.get("sparse_vectors") or {}).values():
            only(sparse)
        if not 1 <= body["vectors"]["size"] <= 65_536:
            raise refuse(422, "Validation error in JSON body: [vectors.size: value must be 1 or larger]")
        with self._lock:
            if name in self._collections:
                raise refuse(409, f"Wrong input: Collection `{name}` already exists!")
            about = {
                "name": name,
                "size": body["vectors"]["size"],
                "distance": body["vectors"]["distance"],
                "metadata": body.get("metadata") or {},
                "indexed": {},
                "sparse": sorted(body.get("sparse_vectors") or ()),
                "config": _config(body),
            }
            self._collections[name] = _Collection(self._directory / uuid.uuid4().hex, about)
        return True

    def describe(self, request: Request, name: str) -> Any:
        found = self._find(name)
        with found.lock:
            about = found.shard.info()
        made = found.about["config"]
        vectors = {"size": found.size, "distance": found.distance}
        if made["on_disk"] is not None:
            vectors["on_disk"] = made["on_disk"]
        params = {"vectors": vectors, **made["params"]}
        if found.about["sparse"]:
            params["sparse_vectors"] = {name: {} for name in found.about["sparse"]}
        optimizer = {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        }
        config = {
            "params": params,
            "hnsw_config": made["hnsw_config"],
            "optimizer_config": optimizer,
            "quantization_config": made["quantization_config"],
            "metadata": found.metadata,
        }
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": about.points_count,
            "segments_count": about.segments_count,
            "indexed_vectors_count": about.indexed_vectors_count,
            "config": config,
            "payload_schema": {key: {"data_type": kind, "points": 0} for key, kind in found.indexed.items()},
        }

    def update(self, request: Request, name: str) -> Any:
        body = request.json()
        only(body, "metadata")
        found = self._find(name)
        found.metadata.update(body["metadata"])
        found.save()
        return True

    def drop(self, request: Request, name: str) -> Any:
        with self._lock:
            found = self._collections.pop(name, None)
        if found is not None:
            with found.lock:
                found.remove()
        return found is not None

    def index(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        only(body, "field_name", "field_schema")
        schema = body["field_schema"]
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "keyword":
            tenant = None if isinstance(schema, str) else schema.get("is_tenant")
            params: Any = edge.KeywordIndexParams(is_tenant=tenant)
        elif kind == "float":
            params = edge.FloatIndexParams()
        else:
            raise refuse(400, f"Wrong input: index type {kind}")
        time.sleep(found.index_s)
        with found.lock:
            found.shard.update(edge.UpdateOperation.create_field_index(body["field_name"], params))
            found.indexed[body["field_name"]] = kind
            found.save()
        return _done()

    # Points

    def upsert(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        if "batch" in body:
            batch = body["batch"]
            rows = list(
                zip(batch["ids"], batch["vectors"], batch.get("payloads") or [None] * len(batch["ids"]), strict=True)
            )
        else:
            rows = [(point["id"], point["vector"], point.get("payload")) for point in body["points"]]
        points = [
            edge.Point(_id(number), vectors_of(vector, found.size, found.about["sparse"]), payload)
            for number, vector, payload in rows
        ]
        with found.lock:
            found.shard.update(edge.UpdateOperation.upsert_points(points))
            if found.about["config"]["quantization_config"] is not None:
                found.shard.optimize()
        return _done()

    def retrieve(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        only(body, "ids", "with_payload", "with_vector")
        ids = [_id(number) for number in body["ids"]]
        with found.lock:
            records = found.shard.retrieve(
                ids, _payload(body.get("with_payload", True)), body.get("with_vector", False)
            )
        # In no promised order.
        return [_record(one) for one in reversed(records)]

    def scroll(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        only(body, "filter", "limit", "offset", "with_payload", "with_vector")
        _limit(body)
        offset = None if body.get("offset") is None else _id(body["offset"])
        asked = edge.ScrollRequest(
            offset=offset,
            limit=body["limit"],
            filter=_filter(body.get("filter"), found),
            with_payload=_payload(body.get("with_payload", True)),
            with_vector=body.get("with_vector", False),
        )
        with found.lock:
            records, following = found.shard.scroll(asked)
        return {
            "points": [_record(one) for one in records],
            "next_page_offset": None if following is None else str(following),
        }

    def count(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        only(body, "filter", "exact")
        with found.lock:
            return {
                "count": found.shard.count(
                    edge.CountRequest(exact=body.get("exact", True), filter=_filter(body.get("filter"), found))
                )
            }

    def query(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        only(body, "query", "using", "filter", "limit", "params", "with_payload", "with_vector")
        _limit(body)
        vector = body["query"]
        if isinstance(vector, dict) and "nearest" in vector:
            vector = vector["nearest"]
        name = body.get("using") or ""
        params = body.get("params") or {}
        only(params, "exact", "hnsw_ef", "quantization")
        codes = params.get("quantization")
        quantization = None if codes is None else edge.QuantizationSearchParams(**codes)
        asked = edge.QueryRequest(
            limit=body["limit"],
            query=edge.Query.Nearest(vector_of(name, vector, found.size, found.about["sparse"]), using=name or None),
            filter=_filter(body.get("filter"), found),
            params=edge.SearchParams(
                exact=bool(params.get("exact")), hnsw_ef=params.get("hnsw_ef"), quantization=quantization
            ),
            with_payload=_payload(body.get("with_payload", False)),
            with_vector=body.get("with_vector", False),
        )
        with found.lock:
            points = found.shard.query(asked)
        return {"points": [{**_record(one), "version": one.version, "score": one.score} for one in points]}

    def update_vectors(self, request: Request, name: str) -> Any:
        """Those before the first batch with a point that is not there are written, and so is the rest of that batch."""
        found, body = self._find(name), request.json()
        only(body, "points")
        points = []
        for point in body["points"]:
            only(point, "id", "vector")
            points.append(
                edge.PointVectors(_id(point["id"]), vectors_of(point["vector"], found.size, found.about["sparse"]))
            )
        with found.lock:
            for start in range(0, len(points), _AT_ONCE):
                part = points[start : start + _AT_ONCE]
                there = {one.id for one in found.shard.retrieve([point.id for point in part], False, False)}
                if present := [point for point in part if point.id in there]:
                    found.shard.update(edge.UpdateOperation.update_vectors(present))
                if missing := [point.id for point in part if point.id not in there]:
                    raise refuse(404, f"Not found: No point with id {missing[0]} found")
        return _done()

    def create_vector(self, request: Request, name: str, vector: str) -> Any:
        """Since 1.18; before, the path was not known."""
        found, body = self._find(name), request.json()
        if not found.adds_vectors:
            raise Refused(404, None)
        only(body, "sparse")
        only(body["sparse"])
        with found.lock:
            found.shard.update(edge.UpdateOperation.create_sparse_vector(vector))
            found.about["sparse"] = sorted({*found.about["sparse"], vector})
            found.save()
        return _done()

    def delete(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        if "points" in body:
            operation = edge.UpdateOperation.delete_points([_id(number) for number in body["points"]])
        else:
            operation = edge.UpdateOperation.delete_points_by_filter(_filter(body["filter"], found) or edge.Filter())
        with found.lock:
            found.shard.update(operation)
        return _done()

    def batch(self, request: Request, name: str) -> Any:
        found, body = self._find(name), request.json()
        done = []
        for operation in body["operations"]:
            only(operation, "overwrite_payload")
            change = operation["overwrite_payload"]
            with found.lock:
                there = found.shard.retrieve([_id(number) for number in change["points"]], False, False)
                if there:
                    ids = [one.id for one in there]
                    found.shard.update(edge.UpdateOperation.overwrite_payload(ids, change["payload"]))
            done.append(_done())
        return done


def _done() -> dict[str, Any]:
    return {"operation_id": 1, "status": "completed"}


def _limit(body: dict[str, Any]) -> None:
    if body.get("limit") is None or body["limit"] < 1:
        raise refuse(422, "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]")


def _id(value: Any) -> Any:
    if isinstance(value, int):
        return value
    try:
        return uuid.UUID(value)
    except ValueError:
        raise refuse(
            400,
            f"Format error in JSON body: value {value} is not a valid point ID, valid values are either an unsigned "
            "integer or a UUID",
        ) from None


def _payload(wanted: Any) -> Any:
    return edge.PayloadSelector.Include(wanted) if isinstance(wanted, list) else wanted


def _record(one: Any) -> dict[str, Any]:
    vector = one.vector
    if isinstance(vector, dict):
        vector = {name: shown(part) for name, part in vector.items()}
    return {"id": one.id if isinstance(one.id, int) else str(one.id), "payload": one.payload, "vector": vector}


def _filter(body: dict[str, Any] | None, collection: _Collection, prefix: str = "") -> Any:
    if not body:
        return None
    only(body, "must", "should", "must_not")

    def conditions(name: str) -> Any:
        given = body.get(name)
        if given is None:
            return None
        many = given if isinstance(given, list) else [given]
        return [_condition(one, collection, prefix) for one in many]

    return edge.Filter(must=conditions("must"), should=conditions("should"), must_not=conditions("must_not"))


def _condition(body: dict[str, Any], collection: _Collection, prefix: str) -> Any:
    if "nested" in body:
        nested = body["nested"]
        return edge.NestedCondition(nested["key"], _filter(nested["filter"], collection, f"{nested['key']}[]."))
    if "key" not in body:
        return _filter(body, collection, prefix)
    only(body, "key", "match", "range")
    if collection.strict and prefix + body["key"] not in collection.indexed:
        raise refuse(
            400,
            f'Bad request: Index required but not found for "{prefix + body["key"]}" of one of the following types: '
            "[keyword]. Strict mode.",
        )
    match = body.get("match")
    if match is not None:
        if "value" in match and isinstance(match["value"], float):
            raise refuse(
                400, "Format error in JSON body: data did not match any variant of untagged enum ValueVariants"
            )
        found: Any = edge.MatchAny(match["any"]) if "any" in match else edge.MatchValue(match["value"])
        return edge.FieldCondition(key=body["key"], match=found)
    bounds = {name: float(value) for name, value in body["range"].items() if value is not None}
    return edge.FieldCondition(key=body["key"], range=edge.RangeFloat(**bounds))


_C = r"/collections/(?P<name>[^/]+)"
_ROUTES = (
    ("GET", "/", QdrantServer.root),
    ("GET", "/cluster", QdrantServer.cluster),
    ("GET", "/collections", QdrantServer.names),
    ("GET", f"{_C}/exists", QdrantServer.exists),
    ("PUT", _C, QdrantServer.create),
    ("GET", _C, QdrantServer.describe),
    ("PATCH", _C, QdrantServer.update),
    ("DELETE", _C, QdrantServer.drop),
    ("PUT", f"{_C}/index", QdrantServer.index),
    ("PUT", f"{_C}/points", QdrantServer.upsert),
    ("POST", f"{_C}/points", QdrantServer.retrieve),
    ("POST", f"{_C}/points/scroll", QdrantServer.scroll),
    ("POST", f"{_C}/points/count", QdrantServer.count),
    ("POST", f"{_C}/points/query", QdrantServer.query),
    ("PUT", f"{_C}/points/vectors", QdrantServer.update_vectors),
    ("PUT", f"{_C}/vectors/(?P<vector>[^/]+)", QdrantServer.create_vector),
    ("POST", f"{_C}/points/delete", QdrantServer.delete),
    ("POST", f"{_C}/points/batch", QdrantServer.batch),
)


@contextmanager
def qdrant_server(directory: Path, *, key: str | None = None) -> Iterator[str]:
    """Runs it; yields its URL."""
    app = QdrantServer(directory, key=key)
    try:
        with serve(app) as port:
            yield f"http://127.0.0.1:{port}"
    finally:
        app.close()


def main(directory: str, port: str, key: str | None = None) -> None:
    """Serve until the process is ended."""
    with serve(QdrantServer(Path(directory), key=key), int(port)):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
