"""A cache bounded in bytes and age, against the obvious model of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vpa.kit.cache import TtlCache


class Hands:
    """A clock that is set by hand."""

    time_s = 0.0

    def monotonic(self) -> float:
        return self.time_s

    def now(self) -> float:
        return self.time_s


def cache(*, max_bytes: int = 100, ttl_s: float = 10) -> tuple[TtlCache[str, int], Hands]:
    clock = Hands()
    return TtlCache(max_bytes=max_bytes, ttl_s=ttl_s, clock=clock), clock


def test_a_value_lives_for_its_time() -> None:
    values, clock = cache()
    values.put("a", 1, size_bytes=10)
    clock.time_s = 9.9
    assert values.get("a") == 1
    clock.time_s = 10.0
    assert values.get("a") is None
    assert (len(values), values.size_bytes) == (0, 0)
    assert (values.hits, values.misses) == (1, 1)


def test_the_least_recently_used_goes_first() -> None:
    values, _ = cache(max_bytes=30)
    for name in "abc":
        values.put(name, 1, size_bytes=10)
    values.get("a")
    values.put("d", 1, size_bytes=10)
    assert [name for name in "abcd" if values.get(name)] == ["a", "c", "d"]


def test_what_is_larger_than_the_cache_is_not_kept_and_replaces_nothing_but_itself() -> None:
    values, _ = cache(max_bytes=30)
    values.put("a", 1, size_bytes=10)
    values.put("b", 1, size_bytes=31)
    assert (values.get("a"), values.get("b")) == (1, None)
    values.put("a", 2, size_bytes=31)
    assert values.get("a") is None


def test_no_time_is_no_cache() -> None:
    values, _ = cache(ttl_s=0)
    values.put("a", 1, size_bytes=1)
    assert values.get("a") is None


_PUT = st.tuples(st.just("put"), st.sampled_from("abcdef"), st.integers(0, 40))
_GET = st.tuples(st.just("get"), st.sampled_from("abcdef"), st.just(0))
_WAIT = st.tuples(st.just("wait"), st.just(""), st.integers(1, 6))


@given(st.lists(_PUT | _GET | _WAIT | st.just(("clear", "", 0)), max_size=60))
def test_it_is_what_an_ordered_list_would_be(steps: list[tuple[str, str, int]]) -> None:
    values, clock = cache()
    model: list[tuple[str, int, int, float]] = []  # name, value, size, expiry: least recently used first
    for number, (step, name, amount) in enumerate(steps):
        if step == "wait":
            clock.time_s += amount
        elif step == "clear":
            values.clear()
            model = []
        elif step == "put":
            values.put(name, number, size_bytes=amount)
            model = [entry for entry in model if entry[0] != name] + [(name, number, amount, clock.time_s + 10)]
            while sum(entry[2] for entry in model) > 100:
                model.pop(0)
        else:
            [entry] = [entry for entry in model if entry[0] == name] or [None]
            model = [other for other in model if other[0] != name]
            alive = entry is not None and entry[3] > clock.time_s
            if entry is not None and alive:
                model.append(entry)
            assert values.get(name) == (entry[1] if entry is not None and alive else None)
        assert values.size_bytes == sum(entry[2] for entry in model) <= 100
        assert len(values) == len(model)


def test_entries_are_discarded_by_key() -> None:
    cache: TtlCache[str, int] = TtlCache(max_bytes=100, ttl_s=10, clock=Hands())
    for name in "abc":
        cache.put(name, 1, size_bytes=10)
    assert cache.discard(["a", "a", "x", "c"]) == 2
    assert (list(cache), cache.size_bytes) == (["b"], 10)
