"""The manager around a store: URLs, registry, retries, deadlines, residuals, statistics, logs."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import structlog

import vpa
import vpa.filters
import vpa.sync
from vpa.base import errors
from vpa.base.records import Record
from vpa.client.connect import connect
from vpa.client.manager import VectorDatabaseManager
from vpa.client.policy import pipeline as policy
from vpa.client.policy import retry
from vpa.filters import F
from vpa.observe.log import configure_logging, get_logger, request_context
from vpa.observe.redact import HIDDEN, redact, redact_text
from vpa.stores import registry
from vpa.stores.config import VectorDatabaseConfig, VectorDatabaseProvider, parse_url
from vpa.stores.embedded.store import EmbeddedStore
from vpa.stores.requests import ALWAYS, Count
from vpa.testing.fakes import FlakyStore, WeakStore


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mock://", {"provider": "embedded", "path": None, "options": {}}),
        ("mock:///abs/path", {"provider": "embedded", "path": "/abs/path", "options": {}}),
        ("mock://./rel", {"provider": "embedded", "path": "./rel", "options": {}}),
        ("mock://../up/rel", {"provider": "embedded", "path": "../up/rel", "options": {}}),
        ("embedded:///with%20space", {"provider": "embedded", "path": "/with space", "options": {}}),
        ("numpy://?recall=1", {"provider": "embedded", "path": None, "options": {"recall": "1"}}),
        ("qdrant://host:6333", {"provider": "qdrant", "host": "host", "port": 6333, "options": {}}),
        (
            "qdrant+https://host",
            {"provider": "qdrant", "host": "host", "port": None, "options": {}, "encrypt_in_transit": True},
        ),
        ("qdrant:///dir", {"provider": "qdrant", "path": "/dir", "options": {}}),
        ("qdrant://", {"provider": "qdrant", "path": None, "options": {}}),
        ("milvus://./a.db?x=1", {"provider": "milvus", "path": "./a.db", "options": {"x": "1"}}),
        ("postgres://u:p@h/db?a=b", {"provider": "pgvector", "url": "postgresql://u:p@h/db?a=b"}),
    ],
)
def test_a_url_says_which_store_and_where(url: str, expected: dict[str, Any]) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "provider://"),
        ("mock", "provider://"),
        ("mock:/x", "provider://"),
        ("localhost:6333", "provider://"),
        ("qdrant", "provider://"),
        ("mock://data/dir", "mock://./data/dir"),
        ("mock:///", "root directory"),
        ("qdrant://user:secret@host", "password"),
        ("mock+http:///x", "no transport"),
        ("qdrant://h:x", "[Pp]ort"),
        ("qdrant://h/x", "path"),
        ("qdrant+ftp://h", "https"),
    ],
)
def test_a_url_that_cannot_be_right_is_refused(url: str, problem: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=problem) as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_the_engine_has_three_names() -> None:
    for name in ("mock", "embedded", "numpy", "MOCK"):
        assert VectorDatabaseProvider(name.lower()) is VectorDatabaseProvider.MOCK
        assert VectorDatabaseConfig(provider=name).provider is VectorDatabaseProvider.MOCK
    assert VectorDatabaseConfig(provider="mine").provider == "mine"
    with pytest.raises(ValueError, match="nonsense"):
        VectorDatabaseProvider("nonsense")


def test_unknown_options_of_connect_are_type_errors() -> None:
    with pytest.raises(TypeError):
        connect("mock://", timeout=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        VectorDatabaseConfig(provder="mock")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "options", [{"dimension": 0}, {"timeout_seconds": 0}, {"max_retries": -1}, {"index_name": ""}, {"metric": "x"}]
)
def test_a_config_that_cannot_be_right_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError):
        VectorDatabaseConfig(**options)


async def test_providers_that_are_not_there_say_what_to_do() -> None:
    with pytest.raises(errors.ConfigurationError, match="did you mean 'mock'"):
        await connect("mocc://").connect()
    assert registry.available() == ["chromadb", "embedded", "milvus", "pgvector", "pinecone", "qdrant", "weaviate"]


async def test_a_missing_client_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILT_IN", {"qdrant": "vpa.no_such_module:create_store"})
    with pytest.raises(errors.ProviderNotInstalledError, match=r"vpa\[qdrant\]") as caught:
        await connect("qdrant://localhost").connect()
    assert isinstance(caught.value.__cause__, ImportError)


async def test_providers_of_others_are_found_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name, value = "mine", "vpa.stores.embedded.store:create_store"

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()])
    async with VectorDatabaseManager(VectorDatabaseConfig(provider="mine")) as manager:
        assert (await manager.health())["healthy"]


async def test_the_managers_own_verbs_need_a_collection() -> None:
    async with connect("mock://") as db:
        with pytest.raises(errors.ConfigurationError, match="dimension"):
            await db.count()
    async with connect("mock://", dimension=2, index_name="mine") as db:
        assert await db.upsert([Record("a", vector=[1, 0])]) == 1
        assert await db.list_collections() == ["mine"]
    with pytest.raises(errors.ClosedError, match="connect"):
        await db.count()


async def test_an_existing_collection_of_another_dimension_is_refused_at_connect(tmp_path: Any) -> None:
    async with connect(f"mock://{tmp_path}", dimension=3):
        pass
    with pytest.raises(errors.DimensionMismatchError, match=r"3.*4"):
        await connect(f"mock://{tmp_path}", dimension=4).connect()
    with pytest.raises(errors.ConfigurationError, match=r"cosine.*dot"):
        await connect(f"mock://{tmp_path}", dimension=3, metric="dot").connect()
    async with connect(f"mock://{tmp_path}") as db:
        assert await db.count() == 0


def manager_of(store: Any, **options: Any) -> VectorDatabaseManager:
    return VectorDatabaseManager(VectorDatabaseConfig(dimension=2, **options), store=store)


async def test_what_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.0)
    for before in (True, False):
        flaky = FlakyStore(EmbeddedStore(), seed=3, share=0.2, before=before)
        async with manager_of(flaky, max_retries=20) as db:
            for number in range(60):
                await db.upsert([Record(f"r{number}", vector=[1, number])])
                assert await db.count() == number + 1
                await db.delete(ids=["never"])
            assert len(await db.search(vector=[1, 1], top_k=100)) == 60
        assert flaky.failures > 10


async def test_after_the_last_try_the_error_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.0)
    async with manager_of(FlakyStore(EmbeddedStore(), seed=1, share=1.0), max_retries=2) as db:
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            await db.count()
        assert "provider=embedded, collection=vpa-index" in str(caught.value)
        assert caught.value.retryable
        assert (await db.health())["healthy"] is False
        statistics = (await db.get_statistics())["verbs"]["count"]
        assert (statistics["calls"], statistics["errors"]) == (1, 1)


async def test_what_may_not_be_sent_twice_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.0)
    flaky = FlakyStore(EmbeddedStore(), seed=1, share=1.0, before=False)
    async with manager_of(flaky, max_retries=5) as db:
        with pytest.raises(errors.ServiceUnavailableError):
            await db.upsert([Record("a", vector=[1, 0])], on_conflict="error")
        assert flaky.failures == 1


async def test_what_cannot_pass_is_not_tried_again() -> None:
    flaky = FlakyStore(EmbeddedStore(), seed=1, share=1.0, error=lambda: errors.AuthenticationError("no"))
    async with manager_of(flaky, max_retries=5) as db:
        with pytest.raises(errors.AuthenticationError):
            await db.count()
    assert flaky.failures == 1


async def test_a_store_that_asks_for_time_gets_it() -> None:
    waits: list[float] = []
    tries = 0

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def work() -> str:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise errors.RateLimitedError("slow down", retry_after=7.0)
        if tries <= 5:
            raise errors.ServiceUnavailableError("away")
        return "done"

    assert await retry.Retry(9, sleep=sleep)(policy.Call(Count(), "mock"), work) == "done"
    assert waits[:2] == [7.0, 7.0]
    # Without such a wish the waits grow, each with a little jitter.
    assert 0 < waits[2] < waits[3] < waits[4] < 5.1
    assert len(waits) == 5


class _Slow(EmbeddedStore):
    async def count(self, *args: Any, **options: Any) -> int:
        await asyncio.sleep(60)
        return 0


async def test_a_deadline_holds_in_total() -> None:
    async with manager_of(_Slow(), timeout_seconds=0.05, max_retries=50) as db:
        with pytest.raises(errors.OperationTimeoutError, match=r"count did not finish within 0.05 s"):
            await db.count()


async def test_cancelling_a_call_cancels_it() -> None:
    async with manager_of(_Slow()) as db:
        task = asyncio.create_task(db.count())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.list_collections() == ["vpa-index"]


class _Counting(EmbeddedStore):
    running = most = 0

    async def get(self, *args: Any, **options: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        return []


async def test_calls_at_once_are_limited() -> None:
    store = _Counting()
    async with manager_of(store, max_concurrent_requests=3) as db:
        await asyncio.gather(*(db.get(["a"]) for _ in range(30)))
    assert store.most == 3


async def test_an_interceptor_of_yours_sees_every_call() -> None:
    seen: list[str] = []

    async def note(call: policy.Call, proceed: Any) -> Any:
        seen.append(call.verb)
        return await proceed()

    async with VectorDatabaseManager(VectorDatabaseConfig(dimension=2), interceptors=[note]) as db:
        await db.count()
    assert seen[-1] == "count"


async def test_an_interceptor_sees_scope_ids_filter_and_outcome_of_every_verb() -> None:
    seen: dict[str, tuple[Any, ...]] = {}

    async def note(call: policy.Call, proceed: Any) -> Any:
        try:
            outcome = await proceed()
        except errors.VectorDatabaseError as error:
            outcome = error.code
            raise
        finally:
            seen[call.verb] = (call.writes, call.scope, call.ids, call.filter, outcome)
        return outcome

    acme = vpa.Scope("acme")
    recent = vpa.filters.normal(F("n") >= 2)
    async with VectorDatabaseManager(VectorDatabaseConfig(dimension=2), interceptors=[note]) as db:
        await db.upsert([Record("a", vector=[1, 0], metadata={"n": 2})], scope=acme)
        assert seen["upsert"] == (True, acme, ["a"], None, 1)
        await db.search(vector=[1, 0], filter=recent, scope=acme)
        assert seen["search"][:4] == (False, acme, None, recent)
        assert [match.id for match in seen["search"][4][0]] == ["a"]
        await db.delete(filter=recent, dry_run=True, scope=acme)
        assert seen["delete"] == (False, acme, None, recent, 1)
        with pytest.raises(errors.RecordNotFoundError):
            await db.update_metadata(ids=["z"], set={"n": 1})
        assert seen["update_metadata"] == (True, vpa.Scope(), ["z"], ALWAYS, "record_not_found")
        await db.optimize()
        await db.explain(recent)
        await db.get_statistics()
        assert seen["optimize"][0] is True
        assert seen["explain"][3] is recent
        assert seen["statistics"][4]["records"] == 1
        assert [batch async for batch in db.scan_batches(scope=acme)] != []
        assert seen["scan"][1] == acme


async def test_a_filter_is_parsed_normalised_and_rendered_once_for_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: Counter[str] = Counter()
    for module, name in (
        (sys.modules["vpa.filters.normalize"], "_rewrite"),
        (sys.modules["vpa.filters.parse"], "as_filter"),
    ):
        inner = getattr(module, name)

        def counted(*args: Any, inner: Any = inner, name: str = name, **options: Any) -> Any:
            counts[name] += 1
            return inner(*args, **options)

        monkeypatch.setattr(module, name, counted)
    async with manager_of(WeakStore()) as db:
        await db.search(vector=[1, 0], filter={"n": {"$gte": 2}})
    assert counts == {"_rewrite": 1, "as_filter": 1}


async def test_a_residual_that_cannot_be_read_deep_enough_is_an_error() -> None:
    async with manager_of(WeakStore(max_top_k=8)) as db:
        await db.upsert([Record(f"r{n:02d}", vector=[1, n / 100], metadata={"n": n}) for n in range(30)])
        assert (await db.search(vector=[1, 0], top_k=2, filter=F("n") >= 5)).ids == ["r05", "r06"]
        with pytest.raises(errors.UnsupportedFilterError, match="deeper than 8"):
            await db.search(vector=[1, 0], top_k=2, filter=F("n") >= 20)
        explained = await db.explain((F("n") == 1) & (F("n") >= 0))
        assert explained["residual"] == {"n": {"$gte": 0}}
        assert explained["leaves"] == {"native": 1, "residual": 1}


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    retryable = {kind.__name__ for kind in kinds if kind.retryable}
    assert retryable == {
        "ConnectionFailedError",
        "EmbedderUnavailableError",
        "OperationTimeoutError",
        "RateLimitedError",
        "ServiceUnavailableError",
    }
    partial = errors.PartialWriteError("some", written=["a"], failed={"b": "why"}, unknown=["c"])
    assert (partial.written, partial.failed, partial.unknown) == (("a",), {"b": "why"}, ("c",))


def test_secrets_are_hidden_wherever_they_stand() -> None:
    event = {
        "api_key": "s3cret",
        "VPA_VECTOR_DB_API_KEY": "s3cret",
        "nested": {"password": "s3cret", "ok": 1},
        "list": [{"token": "s3cret"}],
        "url": "postgresql://user:s3cret@host/db",
        "message": "Authorization: Bearer s3cretabc",
        "none": None,
        "api_key_set": True,
    }
    hidden = redact(event)
    assert "s3cret" not in json.dumps(hidden)
    assert hidden["nested"]["ok"] == 1
    assert hidden["api_key_set"] is True
    assert redact_text("no secret here") == "no secret here"
    assert HIDDEN in redact_text("api_key=s3cret123")


def test_logs_are_json_with_context_and_without_secrets() -> None:
    stream = io.StringIO()
    configure_logging(level="INFO", fmt="json", stream=stream)
    try:
        log = get_logger("test")
        with request_context(request_id="r1"):
            log.info("hello", api_key="s3cret", n=1)
        log.debug("too quiet")
        log.error("bad")
        log.warning("hm")
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["hello", "bad", "hm"]
    assert (lines[0]["request_id"], lines[0]["n"], lines[0]["api_key"], lines[0]["component"]) == (
        "r1",
        1,
        HIDDEN,
        "test",
    )
    assert "request_id" not in lines[1]


def test_unconfigured_logging_never_writes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    try:
        get_logger("test").warning("look here")
        get_logger("test").info("not this")
    finally:
        structlog.reset_defaults()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "look here" in captured.err
    assert "not this" not in captured.err


async def test_what_is_no_list_of_records_or_ids_is_told_by_its_kind() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        for wrong in (None, 5):
            with pytest.raises(errors.InvalidRecordError, match="upsert takes a list of records or a RecordBatch, not"):
                await docs.upsert(wrong)  # type: ignore[arg-type]
            with pytest.raises(errors.InvalidRecordError, match="ids must be a list of strings, not"):
                await docs.get(wrong)  # type: ignore[arg-type]
        await docs.upsert([vpa.Record("a", vector=[1, 0], metadata={"n": 1})])
        with pytest.raises(errors.InvalidRecordError, match="metadata key 'n' is in set= and in remove="):
            await docs.update_metadata(ids=["a"], set={"n": 2}, remove=["n"])
        assert (await docs.get(["a"]))[0].metadata == {"n": 1}
        with pytest.raises(errors.InvalidFilterError, match=r"unknown operator '\$strange'; known: \$and, "):
            await docs.count(filter={"n": {"$strange": "a"}})


async def test_two_tasks_that_connect_at_once_have_one_connection(tmp_path: Path) -> None:
    for url in ("mock://", f"mock://{tmp_path}"):
        db = vpa.connect(url)
        await asyncio.gather(*(db.connect() for _ in range(5)))
        docs = await db.create_collection("docs", dimension=2)
        await asyncio.gather(*(db.connect() for _ in range(5)), docs.upsert([Record("a", vector=[1, 0])]))
        assert await docs.count() == 1
        await db.close()


async def test_what_was_closed_says_so_and_what_was_never_opened_how_to() -> None:
    async with connect("embedded://") as db:
        docs = await db.create_collection("docs", dimension=2)
    for call in (docs.count, db.list_collections):
        with pytest.raises(errors.ClosedError, match="was closed, by close"):
            await call()
    with pytest.raises(errors.ClosedError, match="use it in `async with`"):
        await connect("embedded://").list_collections()
    rag = vpa.create_enhanced_rag_system(embedder="hashing")
    with pytest.raises(errors.ClosedError, match="is not initialized"):
        await rag.search_knowledge("x")
    async with rag:
        pass
    with pytest.raises(errors.ClosedError, match="was shut down"):
        await rag.search_knowledge("x")


def test_without_await_it_says_the_same() -> None:
    with vpa.sync.connect("embedded://") as db:
        docs = db.create_collection("docs", dimension=2)
    for call in (docs.count, db.list_collections):
        with pytest.raises(errors.ClosedError, match="was closed, by close"):
            call()
