"""The circuit breaker, the retry budget, and partial writes: what happens when a store is down for longer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from vpa.base import errors
from vpa.client.policy import retry
from vpa.client.policy.pipeline import Call
from vpa.client.policy.retry import CircuitBreaker, Retry, RetryBudget
from vpa.stores.remote.parts import write_parts
from vpa.stores.requests import Count

CALL = Call(Count(), "mock")


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> float:
        return self.time


async def fine() -> str:
    return "fine"


async def down() -> str:
    raise errors.ConnectionFailedError("down")


async def refused() -> str:
    raise errors.InvalidFilterError("no")


async def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(errors.ConnectionFailedError):
            await breaker(CALL, down)


async def test_the_circuit_opens_after_failures_in_a_row_and_refuses_at_once() -> None:
    breaker = CircuitBreaker(Hands(), failures=3, cooldown_s=5)
    await fail(breaker, 2)
    assert await breaker(CALL, fine) == "fine"
    await fail(breaker, 3)
    assert breaker.is_open
    with pytest.raises(errors.CircuitOpenError, match=r"next probe goes in 5\.0 s"):
        await breaker(CALL, fine)


async def test_errors_of_the_caller_do_not_open_it() -> None:
    breaker = CircuitBreaker(Hands(), failures=2)
    for _ in range(5):
        with pytest.raises(errors.InvalidFilterError):
            await breaker(CALL, refused)
    assert not breaker.is_open


async def test_one_probe_goes_when_the_time_has_come_and_success_closes_it() -> None:
    hands = Hands()
    breaker = CircuitBreaker(hands, failures=2, cooldown_s=5)
    await fail(breaker, 2)
    hands.time = 5.0

    async def probing() -> str:
        # While the probe is under way, others are still refused.
        with pytest.raises(errors.CircuitOpenError):
            await breaker(CALL, fine)
        return "probed"

    assert await breaker(CALL, probing) == "probed"
    assert not breaker.is_open
    assert await breaker(CALL, fine) == "fine"


async def test_a_probe_that_fails_doubles_the_wait_up_to_a_minute() -> None:
    hands = Hands()
    breaker = CircuitBreaker(hands, failures=1, cooldown_s=20)
    await fail(breaker, 1)
    for wait in (20, 40, 60, 60):
        hands.time += wait - 0.5
        with pytest.raises(errors.CircuitOpenError):
            await breaker(CALL, fine)
        hands.time += 0.5
        await fail(breaker, 1)


async def test_retries_stop_when_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.0)
    budget, calls = RetryBudget(share=0.1, reserve=4), 0

    async def work() -> str:
        nonlocal calls
        calls += 1
        raise errors.ServiceUnavailableError("busy")

    async def sleep(seconds: float) -> None:
        del seconds

    policy = Retry(3, sleep=sleep, budget=budget)
    for _ in range(10):
        with pytest.raises(errors.ServiceUnavailableError):
            await policy(CALL, work)
    # Ten calls, and the four retries of the reserve; the calls earned less than one more.
    assert calls == 14


async def test_an_open_circuit_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.0)
    breaker = CircuitBreaker(Hands(), failures=2)
    policy = Retry(9)
    with pytest.raises(errors.CircuitOpenError):
        await policy(CALL, lambda: breaker(CALL, down))


async def test_a_scan_that_breaks_goes_on_behind_what_arrived() -> None:
    import vpa
    from vpa.client.manager import VectorDatabaseManager
    from vpa.stores.embedded.store import EmbeddedStore

    class Breaks(EmbeddedStore):
        is_local = False
        failures = 0

        def scan(self, *args: Any, **options: Any) -> Any:
            inner = super().scan(*args, **options)

            async def some() -> Any:
                async for number, batch in _numbered(inner):
                    if number == 1 and Breaks.failures < 3:
                        Breaks.failures += 1
                        raise errors.ServiceUnavailableError("gone for a moment")
                    yield batch

            return some()

    async with VectorDatabaseManager(store=Breaks()) as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record(f"r{n:02d}", vector=[1, n]) for n in range(20)])
        assert [record.id async for record in docs.scan(batch_size=5)] == [f"r{n:02d}" for n in range(20)]
        assert Breaks.failures == 3


async def _numbered(batches: Any) -> Any:
    number = 0
    async for batch in batches:
        yield number, batch
        number += 1


class Parts:
    """Writes lists of ids; some fail."""

    def __init__(self, fails: dict[str, errors.VectorDatabaseError]) -> None:
        self.fails, self.sent = fails, []

    async def write(self, part: Sequence[str]) -> Sequence[str]:
        self.sent.append(part[0])
        if part[0] in self.fails:
            raise self.fails[part[0]]
        return part


async def parted(
    parts: Iterable[Sequence[str]], fails: dict[str, errors.VectorDatabaseError], *, at_once: int = 1
) -> Any:
    writer = Parts(fails)
    return await write_parts(parts, writer.write, ids=list, at_once=at_once), writer


PARTS = [["a1", "a2"], ["b1"], ["c1", "c2"]]


async def test_parts_that_fail_are_told_id_by_id() -> None:
    with pytest.raises(errors.PartialWriteError) as caught:
        await parted(PARTS, {"b1": errors.ServiceUnavailableError("busy"), "c1": errors.ConnectionFailedError("broke")})
    assert caught.value.written == ("a1", "a2")
    assert caught.value.failed == {"b1": "busy"}
    assert caught.value.unknown == ("c1", "c2")
    assert isinstance(caught.value.__cause__, errors.ServiceUnavailableError)


async def test_where_nothing_was_written_the_cause_itself_is_raised() -> None:
    with pytest.raises(errors.AuthenticationError):
        await parted(PARTS, {"a1": errors.AuthenticationError("no")})


async def test_after_an_error_that_does_not_pass_nothing_more_is_sent() -> None:
    with pytest.raises(errors.PartialWriteError) as caught:
        await parted(PARTS, {"b1": errors.InvalidRecordError("no")})
    assert caught.value.failed == {"b1": "no", "c1": "not sent: no", "c2": "not sent: no"}


async def test_all_parts_written_are_counted() -> None:
    count, _ = await parted(PARTS, {}, at_once=3)
    assert count == 5
