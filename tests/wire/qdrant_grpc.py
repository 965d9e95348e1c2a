"""Qdrant's gRPC services beside the REST routes of `qdrant_server.py`, on the same engine.

Each call becomes the request of the REST route that does the same, so both refuse the same; only the conversions, and
the codes of refusals (`From<StorageError> for Status` in Qdrant's sources), are of this module. As in Qdrant, a
message may be of any size, and only the health check needs no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc, grpc_to_payload, payload_to_grpc
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc, qdrant_pb2_grpc
from qdrant_client.http import models

from wire.http import Refused, Request, serve
from wire.qdrant_server import ABOUT, QdrantServer

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
}
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass
class Behaviour:
    """What tests change: how the service presents itself, refuses, or keeps the caller waiting."""

    about: dict[str, str] = field(default_factory=lambda: dict(ABOUT))
    refuse: tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]] | None = None
    wait: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Call(Request):
    """A request whose body was never JSON."""

    body: Any = None

    def json(self) -> Any:
        return self.body


class _Service:
    def __init__(self, app: QdrantServer, behaviour: Behaviour) -> None:
        self._app, self._behaviour = app, behaviour

    def _do(self, context: Any, method: str, path: str, body: Any = None) -> Any:
        behaviour = self._behaviour
        behaviour.calls.append(f"{method} {path}")
        behaviour.wait()
        if behaviour.refuse is not None:
            code, text, trailing = behaviour.refuse
            context.set_trailing_metadata(trailing)
            context.abort(code, text)
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        try:
            return self._app.result(_Call(method, path, [], headers, b"", body))
        except Refused as refusal:
            text = refusal.body["status"]["error"] if isinstance(refusal.body, dict) else str(refusal.body)
            context.abort(_CODES[refusal.status], text)


class Health(qdrant_pb2_grpc.QdrantServicer):
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def HealthCheck(self, request: Any, context: Any) -> Any:
        self._behaviour.wait()
        return messages.HealthCheckReply(**self._behaviour.about)


class Collections(_Service, collections_service_pb2_grpc.CollectionsServicer):
    def List(self, request: Any, context: Any) -> Any:
        return messages.ListCollectionsResponse(**self._do(context, "GET", "/collections"))

    def CollectionExists(self, request: Any, context: Any) -> Any:
        found = self._do(context, "GET", f"/collections/{request.collection_name}/exists")
        return messages.CollectionExistsResponse(result=messages.CollectionExists(**found))

    def Get(self, request: Any, context: Any) -> Any:
        found = self._do(context, "GET", f"/collections/{request.collection_name}")
        info = RestToGrpc.convert_collection_info(models.CollectionInfo.model_validate(found))
        return messages.GetCollectionInfoResponse(result=info)

    def Create(self, request: Any, context: Any) -> Any:
        vectors = GrpcToRest.convert_vectors_config(request.vectors_config)
        body = {"vectors": _json(vectors), "metadata": grpc_to_payload(request.metadata)}
        done = self._do(context, "PUT", f"/collections/{request.collection_name}", body)
        return messages.CollectionOperationResponse(result=done)

    def Update(self, request: Any, context: Any) -> Any:
        body = {"metadata": grpc_to_payload(request.metadata)}
        done = self._do(context, "PATCH", f"/collections/{request.collection_name}", body)
        return messages.CollectionOperationResponse(result=done)

    def Delete(self, request: Any, context: Any) -> Any:
        done = self._do(context, "DELETE", f"/collections/{request.collection_name}")
        return messages.CollectionOperationResponse(result=done)


class Points(_Service, points_service_pb2_grpc.PointsServicer):
    def _on(self, request: Any, context: Any, method: str, route: str, body: Any) -> Any:
        return self._do(context, method, f"/collections/{request.collection_name}{route}", body)

    def CreateFieldIndex(self, request: Any, context: Any) -> Any:
        kind = messages.FieldType.Name(request.field_type).removeprefix("FieldType").lower()
        params = request.field_index_params.keyword_index_params
        schema = {"type": kind, "is_tenant": params.is_tenant if params.HasField("is_tenant") else None}
        body = {"field_name": request.field_name, "field_schema": schema}
        return _done(self._on(request, context, "PUT", "/index", body))

    def Upsert(self, request: Any, context: Any) -> Any:
        points = [
            {
                "id": _id(point.id),
                "vector": _vectors(point.vectors),
                "payload": grpc_to_payload(point.payload),
            }
            for point in request.points
        ]
        return _done(self._on(request, context, "PUT", "/points", {"points": points}))

    def UpdateVectors(self, request: Any, context: Any) -> Any:
        points = [{"id": _id(point.id), "vector": _vectors(point.vectors)} for point in request.points]
        return _done(self._on(request, context, "PUT", "/points/vectors", {"points": points}))

    def Get(self, request: Any, context: Any) -> Any:
        body = {"ids": [_id(one) for one in request.ids], **_wanted(request)}
        found = self._on(request, context, "POST", "/points", body)
        return messages.GetResponse(result=[messages.RetrievedPoint(**_point(one)) for one in found])

    def Scroll(self, request: Any, context: Any) -> Any:
        offset = _id(request.offset) if request.HasField("offset") else None
        limit = request.limit if request.HasField("limit") else 10
        body = {"limit": limit, "offset": offset, **_chosen(request), **_wanted(request)}
        found = self._on(request, context, "POST", "/points/scroll", body)
        following = found["next_page_offset"]
        return messages.ScrollResponse(
            result=[messages.RetrievedPoint(**_point(one)) for one in found["points"]],
            next_page_offset=None if following is None else messages.PointId(uuid=following),
        )

    def Count(self, request: Any, context: Any) -> Any:
        body = {"exact": request.exact if request.HasField("exact") else True, **_chosen(request)}
        return messages.CountResponse(
            result=messages.CountResult(**self._on(request, context, "POST", "/points/count", body))
        )

    def Query(self, request: Any, context: Any) -> Any:
        body = {
            "query": _query(request.query.nearest),
            "using": request.using or None,
            "limit": request.limit if request.HasField("limit") else 10,
            "params": _json(GrpcToRest.convert_search_params(request.params)) if request.HasField("params") else None,
            **_chosen(request),
            **_wanted(request),
        }
        found = self._on(request, context, "POST", "/points/query", body)["points"]
        scored = [messages.ScoredPoint(**_point(one), score=one["score"], version=one["version"]) for one in found]
        return messages.QueryResponse(result=scored)

    def Delete(self, request: Any, context: Any) -> Any:
        chosen = request.points
        if chosen.WhichOneof("points_selector_one_of") == "points":
            body: dict[str, Any] = {"points": [_id(one) for one in chosen.points.ids]}
        else:
            body = {"filter": _filter(chosen.filter)}
        return _done(self._on(request, context, "POST", "/points/delete", body))

    def UpdateBatch(self, request: Any, context: Any) -> Any:
        operations = []
        for operation in request.operations:
            change = operation.overwrite_payload
            points = [_id(one) for one in change.points_selector.points.ids]
            operations.append(
                {operation.WhichOneof("operation"): {"payload": grpc_to_payload(change.payload), "points": points}}
            )
        found = self._on(request, context, "POST", "/points/batch", {"operations": operations})
        return messages.UpdateBatchResponse(result=[_done(one).result for one in found])


def _vectors(message: Any) -> Any:
    if message.HasField("vector"):
        return list(GrpcToRest.convert_vectors(message))
    return {
        name: _sparse(vector.sparse) if vector.HasField("sparse") else list(vector.dense.data)
        for name, vector in message.vectors.vectors.items()
    }


def _sparse(message: Any) -> Any:
    return {"indices": list(message.indices), "values": list(message.values)}


def _query(message: Any) -> Any:
    return _sparse(message.sparse) if message.HasField("sparse") else list(message.dense.data)


def _json(model: Any) -> Any:
    return model.model_dump(mode="json", exclude_none=True)


def _done(result: dict[str, Any]) -> Any:
    done = messages.UpdateResult(operation_id=result["operation_id"], status=messages.UpdateStatus.Completed)
    return messages.PointsOperationResponse(result=done)


def _id(message: Any) -> Any:
    return message.uuid if message.WhichOneof("point_id_options") == "uuid" else message.num


def _filter(message: Any) -> Any:
    found: Any = _without_empty_lists(_json(GrpcToRest.convert_filter(message)))
    return found or None


def _without_empty_lists(found: Any) -> Any:
    # A list that is empty in protobuf is one that was not given.
    if isinstance(found, list):
        return [_without_empty_lists(part) for part in found]
    if not isinstance(found, dict):
        return found
    return {name: _without_empty_lists(part) for name, part in found.items() if part != []}


def _chosen(request: Any) -> dict[str, Any]:
    return {"filter": _filter(request.filter) if request.HasField("filter") else None}


def _wanted(request: Any) -> dict[str, Any]:
    payload = GrpcToRest.convert_with_payload_selector(request.with_payload)
    vectors = request.HasField("with_vectors") and (
        request.with_vectors.enable or list(request.with_vectors.include.names) or False
    )
    return {"with_payload": payload if isinstance(payload, bool | list) else payload.include, "with_vector": vectors}


def _point(found: dict[str, Any]) -> dict[str, Any]:
    identity, vector = found["id"], found["vector"]
    made: dict[str, Any] = {
        "id": messages.PointId(num=identity) if isinstance(identity, int) else messages.PointId(uuid=identity),
        "payload": payload_to_grpc(found["payload"] or {}),
    }
    if isinstance(vector, dict):
        made["vectors"] = {"vectors": {"vectors": {name: _output(part) for name, part in vector.items()}}}
    elif vector is not None:
        made["vectors"] = {"vector": _output(vector)}
    return made


def _output(vector: Any) -> dict[str, Any]:
    return {"sparse": vector} if isinstance(vector, dict) else {"dense": {"data": vector}}


@contextmanager
def serve_grpc(app: QdrantServer, behaviour: Behaviour | None = None, port: int = 0) -> Iterator[int]:
    """Run the services of `app` on a loopback port; yields the port."""
    behaviour = behaviour or Behaviour()
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=[*_UNLIMITED, ("grpc.so_reuseport", 0)])
    qdrant_pb2_grpc.add_QdrantServicer_to_server(Health(behaviour), server)
    collections_service_pb2_grpc.add_CollectionsServicer_to_server(Collections(app, behaviour), server)
    points_service_pb2_grpc.add_PointsServicer_to_server(Points(app, behaviour), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()


@contextmanager
def qdrant_servers(directory: Path, *, key: str | None = None) -> Iterator[tuple[str, int]]:
    """Runs both; yields the URL of REST and the port of gRPC."""
    app = QdrantServer(directory, key=key)
    with ExitStack() as stack:
        stack.callback(app.close)
        port = stack.enter_context(serve(app))
        yield f"http://127.0.0.1:{port}", stack.enter_context(serve_grpc(app))
