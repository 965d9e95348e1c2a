"""What LangChain keeps beside vectors, a byte store and a record manager, on every store."""

from __future__ import annotations

import pytest

from deployments import PROVIDERS, RunningStores
from vpa.integrations.langchain_cache import VPAByteStore
from vpa.integrations.langchain_index import VPARecordManager


@pytest.mark.parametrize("provider", PROVIDERS)
def test_bytes_are_kept_under_keys(stores: RunningStores, provider: str) -> None:
    config = stores.config(PROVIDERS[provider])
    with VPAByteStore(place=config, namespace="a") as kept, VPAByteStore(place=config, namespace="b") as other:
        assert kept.mget(["k"]) == [None]
        values = {"k": b"\0\xff", "a/b": b"", "ü" * 300: b"x" * 10_000}
        kept.mset(list(values.items()))
        other.mset([("k", b"other")])
        assert kept.mget([*values, "missing"]) == [*values.values(), None]
        assert sorted(kept.yield_keys()) == sorted(values)
        assert list(kept.yield_keys(prefix="a/")) == ["a/b"]
        kept.mdelete(["k", "missing"])
        assert kept.mget(["k"]) == [None]
        assert other.mget(["k"]) == [b"other"]
        kept._owned.drop()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_record_manager_knows_what_was_written_when(stores: RunningStores, provider: str) -> None:
    now = [100.0]
    config = stores.config(PROVIDERS[provider])
    with VPARecordManager("docs", place=config, clock=lambda: now[0]) as manager:
        manager.create_schema()
        manager.update(["a", "b"], group_ids=["g", None])
        now[0] = 200.0
        manager.update(["b", "c"], group_ids=["g", "h"])
        assert manager.exists(["a", "x", "c"]) == [True, False, True]
        assert sorted(manager.list_keys()) == ["a", "b", "c"]
        assert manager.list_keys(before=150.0) == ["a"]
        assert sorted(manager.list_keys(after=150.0)) == ["b", "c"]
        assert sorted(manager.list_keys(group_ids=["g"])) == ["a", "b"]
        manager.delete_keys(["a", "missing"])
        assert sorted(manager.list_keys()) == ["b", "c"]
        manager._owned.drop()
