"""What `vpa doctor` and `vpa stats` say about recall: measured now, and promised."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpa.base.calibration import EXACT
from vpa.base.scope import ALL_SCOPES, Scope, is_internal
from vpa.client.collection import Collection
from vpa.commands.common import Check, scope_text
from vpa.trust.recall import RecallReport, check_recall

_LEAST_RECALL: Final = 0.99  # Below it a user loses one answer in a hundred, and is told.
_FINER: Final = "make the collection again with a finer index (docs/recall.md), or search with exact=True"
_QUERIES: Final = 20
_LEAST_RECORDS: Final = 2  # A promise is not measured with fewer.
_NOTHING: Final = "nothing to measure: the collection held fewer than two records"
_SCANNED: Final = 20_000  # Records of all scopes that are looked at to find a large one.


async def measured(collection: Collection, place: Scope) -> list[Check]:
    """Recall in `place`; where the default scope is meant and empty, in the largest of the first others."""
    notice = ""
    if place == Scope() and not await collection.count():
        place = await largest_scope(collection) or place
        if place != Scope():
            notice = (
                f"the default scope holds no records; measured in the largest scope of the first {_SCANNED:,} records "
                "scanned: "
            )
    report = await check_recall(collection, sample=_QUERIES, scope=place)
    head = f"{collection.name}: {notice}{scope_text(place)}"
    if not report.measured:
        return [Check("recall", "ok", f"{head}: nothing to measure, it holds no records")]
    count = await collection.count(scope=place)
    return [_judged(report, f"{head} ({count:,} records)", collection.info.recall)]


def _judged(report: RecallReport, head: str, promise: float | None) -> Check:
    least = min([report.recall, *(under.recall for under in report.filtered)])
    finding = f"{head}: {report}"
    if promise is None:
        good = least >= _LEAST_RECALL
        fix = "" if good else "search with exact=True, or build a better index"
        return Check("recall", "ok" if good else "warn", finding, fix)
    good = least >= promise - _chance(promise, report.queries * report.top_k)
    finding += f"; promised: {promise:g}"
    return Check("recall", "ok" if good else "fail", finding, "" if good else f"run optimize(), then: {_FINER}")


def _chance(recall: float, neighbours: int) -> float:
    """How far below `recall` a measurement with so many neighbours may be by chance: three standard deviations."""
    return 3 * math.sqrt(recall * (1 - recall) / neighbours)


async def largest_scope(collection: Collection) -> Scope | None:
    """The scope with the most of the first 20,000 records of all scopes; None where there are no records."""
    counts: Counter[Scope] = Counter()
    async for batch in collection.scan_batches(scope=ALL_SCOPES, batch_size=1_000, include_vectors=False):
        place = batch.scope or Scope()
        if is_internal(place):
            continue
        counts[place] += len(batch)
        if counts.total() >= _SCANNED:
            break
    return max(counts, key=lambda place: counts[place]) if counts else None


def promise_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `get_statistics` says of a collection's promised recall, in the same words for every store; None for none.

    `effort` is the store's search parameter, -1 where searches are exact, None for the store's default; `records` how
    many the collection held when it was measured.
    """
    promise = facts.get("promise")
    if promise is None:
        return None
    known = {name: promise[name] for name in ("promised", "kept", "measured", "missed", "error") if name in promise}
    if not promise["measured"]:
        return {**known, "state": _unmeasured(promise, facts)}
    efforts = {"effort": promise.get("effort"), "filtered_effort": promise.get("filtered")}
    if "effort" not in promise:
        efforts = dict.fromkeys(efforts, _candidates(facts))
    since = {"records": promise.get("total", promise["rows"]), "written_since": promise.get("written_since", 0)}
    return {**known, "state": "measured", **efforts, **since}


def _unmeasured(promise: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    if "rows" in promise and facts.get("records", promise["rows"]) < _LEAST_RECORDS:
        return _NOTHING
    if promise.get("exact_until_measured", True):
        return "not measured yet: searches are exact until `optimize()`"
    return "not measured yet: `optimize()` measures it"


def _candidates(facts: Mapping[str, Any]) -> int | None:
    """Of the embedded engine."""
    index = facts.get("index", {})
    if index.get("search") == "exact":
        return EXACT
    return next((one["candidates"] for one in index.get("measured", ()) if one["top_k"] == 10), None)


def promise_rows(promise: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What `promise_of` returned, for people: a name and a text per line."""
    rows = [("promised", f"{promise['promised']:g}")]
    if promise["state"] != "measured":
        failed = [("last attempt", promise["error"])] if "error" in promise else []
        return [*rows, ("measured", promise["state"]), *failed]
    rows += [(f"measured, {name}", f"{recall:.4f}") for name, recall in promise["measured"].items()]
    if promise["missed"]:
        rows.append(("missed", ", ".join(promise["missed"])))
    rows += [
        ("effort", _effort(promise["effort"])),
        ("effort with a filter", _effort(promise["filtered_effort"])),
        ("measured at", f"{promise['records']:,} records in all scopes"),
    ]
    return [*rows, ("written since", f"{promise['written_since']:,} records")] if promise["written_since"] else rows


def _effort(effort: int | None) -> str:
    return "exact search" if effort == EXACT else "the store's default" if effort is None else f"{effort:,}"


def promised(name: str, facts: Mapping[str, Any]) -> Iterator[Check]:
    """Whether the recall that a collection promises was reached when it was last measured."""
    promise = promise_of(facts)
    if promise is None:
        return
    head = f"{name} promises {promise['promised']:g}"
    if promise["state"] != "measured":
        is_empty = promise["state"] == _NOTHING
        yield Check(
            "recall", "ok" if is_empty else "warn", f"{head}; {promise['state']}", "" if is_empty else "run optimize()"
        )
        return
    if promise["kept"] is False:
        missed = ", ".join(f"{promise['measured'][share]:.3f} ({share})" for share in promise["missed"])
        yield Check("recall", "fail", f"{head} and reaches {missed}; {_line(promise)}", _FINER)
    else:
        yield Check("recall", "ok", f"{head}; {_line(promise)}")


def _line(promise: Mapping[str, Any]) -> str:
    shares = ", ".join(f"{recall:.4f} ({name})" for name, recall in promise["measured"].items())
    effort, filtered = _effort(promise["effort"]), _effort(promise["filtered_effort"])
    since = f", {promise['written_since']:,} written since" if promise["written_since"] else ""
    return (
        f"measured {shares}; effort {effort}, with a filter {filtered}; at {promise['records']:,} records in all "
        f"scopes{since}"
    )
