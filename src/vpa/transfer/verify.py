"""Whether two collections hold the same: counts, ids, content and vectors by digest, and what searches find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from vpa.base.arguments import explained
from vpa.base.records import Matches, RecordBatch
from vpa.base.scope import Scope
from vpa.client.arguments import check_collection
from vpa.client.collection import Collection
from vpa.transfer.digest import ScopeDigest, comparable, content_of, digest

TOP_K: Final = 10  # What is compared for each sampled record.
# Scores of two stores may differ by float32's rounding, which grows with the dimension.
_PRECISION: Final = 2e-5
_SHOWN: Final = 20  # Ids named in a report, and searches compared at most.
_MOST_QUERIES: Final = 200


@dataclass(slots=True)
class Verification:
    """`differences` is empty if, and only if, both hold the same. `examples`: ids that differ, as "scope id: how"."""

    records: int = 0
    scopes: int = 0
    queries: int = 0
    agreeing_queries: int = 0
    differences: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    digests: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether they hold the same."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """For reports: counts, digests and the first ids that differ."""
        return {"ok": self.ok, **{name: getattr(self, name) for name in self.__slots__}}


@explained
async def verify(
    source: Collection, target: Collection, *, progress: Callable[[int], None] = lambda count: None
) -> Verification:
    """Compare two collections in every scope; reads both once, and once more to name what differs.

    Searches are exact, with vectors of the source as queries; neighbours count as equal within the precision of scores.
    Raises ConfigurationError for a manager.
    """
    check_collection(source, function="verify", argument="source")
    check_collection(target, function="verify", argument="target")
    report = Verification()
    left_info, right_info = source.info, target.info
    for name in ("dimension", "metric"):
        if getattr(left_info, name) != getattr(right_info, name):
            report.differences.append(f"{name}: {getattr(left_info, name)} and {getattr(right_info, name)}")
    if report.differences:
        return report
    left, right = await digest(source, progress=progress), await digest(target, progress=progress)
    empty = ScopeDigest()
    report.scopes = len(left)
    report.records = sum(one.count for one in left.values())
    report.digests = {_name(scope): one.to_json() for scope, one in sorted(left.items())}
    differing = []
    for scope in sorted({*left, *right}):
        parts = left.get(scope, empty).differences(right.get(scope, empty))
        if parts:
            differing.append(scope)
            report.differences.append(f"scope {_name(scope)}: {', '.join(parts)}")
    for scope in differing:
        await _name_examples(report, source, target, scope=scope)
    await _compare_searches(report, source, target, left)
    return report


def _name(scope: Scope) -> str:
    return f"{scope.tenant or '-'}/{scope.namespace or '-'}"


async def _name_examples(report: Verification, source: Collection, target: Collection, *, scope: Scope) -> None:
    for here, there, missing in ((source, target, "is not in the target"), (target, source, "is only in the target")):
        async for batch in here.scan_batches(scope=scope, batch_size=500):
            others = {record.id: record for record in await there.get(batch.ids, scope=scope)}
            for position, record_id in enumerate(batch.ids):
                if len(report.examples) >= _SHOWN:
                    return
                other = others.get(record_id)
                if other is None:
                    report.examples.append(f"{_name(scope)} {record_id!r}: {missing}")
                elif here is source and (how := _difference(batch, position, other, source)):
                    report.examples.append(f"{_name(scope)} {record_id!r}: {how}")


def _difference(batch: Any, position: int, other: Any, source: Collection) -> str:
    one = RecordBatch(
        ids=[other.id],
        vectors=None,
        texts=[other.text],
        metadata=[other.metadata],
        system=[other.system],
        sparse=[other.sparse],
    )
    if content_of(batch, position) != content_of(one, 0):
        return "text, metadata or sparse vectors differ" if source.info.sparse else "text or metadata differ"
    rows = np.asarray([batch.vectors[position], other.vector], dtype=np.float32)
    left, right = comparable(rows, source.info)
    return "" if np.array_equal(left, right) else "vectors differ"


async def _compare_searches(
    report: Verification, source: Collection, target: Collection, digests: dict[Scope, ScopeDigest]
) -> None:
    each = max(1, min(5, _MOST_QUERIES // max(1, len(digests))))
    for scope, one in sorted(digests.items()):
        for _, vector in one.samples[:each]:
            if not vector.any() and source.info.metric == "cosine":
                continue
            report.queries += 1
            left = await source.search(vector=vector, top_k=TOP_K, exact=True, scope=scope)
            right = await target.search(vector=vector, top_k=TOP_K, exact=True, scope=scope)
            if agree(left, right):
                report.agreeing_queries += 1
            else:
                report.differences.append(f"scope {_name(scope)}: a search finds {left.ids} and {right.ids}")


def agree(left: Matches, right: Matches) -> bool:
    """The same scores, and the same ids but for those whose scores are too near to tell apart."""
    if len(left) != len(right):
        return False
    if not len(left):
        return True
    scale = max(1.0, max(abs(match.score) for match in left))
    if any(abs(a.score - b.score) > _PRECISION * scale for a, b in zip(left, right, strict=True)):
        return False
    least = left[-1].score + _PRECISION * scale
    scores = {match.id: match.score for match in right}
    certain = [match for match in left if match.score > least]
    return all(match.id in scores and abs(scores[match.id] - match.score) <= _PRECISION * scale for match in certain)
