"""Results with what stands around them in their documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from vpa.base.errors import InvalidQueryError
from vpa.base.records import Record
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.filters import F, Filter
from vpa.rag.chunks import unpack
from vpa.rag.documents import SearchResult
from vpa.rag.sections import section_around

# More neighbours than these on each side are a document: read it with get_document.
MOST: Final = 20
# Results whose neighbours are asked for in one filter.
_TOGETHER: Final = 50


SECTION: Final = "section"
Widen: TypeAlias = int | Literal["section"]


def check_widen(widen: object) -> Widen:
    """Return how many neighbouring chunks are to be added on each side, or "section"; or raise InvalidQueryError."""
    if widen == SECTION:
        return "section"
    if isinstance(widen, bool) or not isinstance(widen, int) or not 0 <= widen <= MOST:
        raise InvalidQueryError(f"widen must be a whole number from 0 to {MOST}, or 'section', not {shown(widen)}")
    return widen


async def widened(
    collection: Collection, results: Sequence[SearchResult], *, widen: Widen, scope: Scope
) -> list[SearchResult]:
    """Each result with `widen` chunks before and behind it, as one text with its place in the document; or with all of
    its section, from the Markdown heading over it to the next one that is as high, as far as it lies within the `MOST`
    nearest chunks.

    `chunk_id`, `chunk_index` and `why` stay those of the chunk that matched. Of results that come to the same text the
    best stays.
    """
    if not widen or not results:
        return list(results)
    by_section, reach = widen == SECTION, MOST if widen == SECTION else int(widen)
    neighbours: list[Record] = []
    for start in range(0, len(results), _TOGETHER):
        node = _around(results[start : start + _TOGETHER], reach)
        neighbours += [record async for record in collection.scan(filter=node, scope=scope)]
    by_document: dict[tuple[str, int], dict[int, Record]] = {}
    for record in neighbours:
        key = (str(record.system.get("document_id")), int(record.system.get("version") or 0))
        by_document.setdefault(key, {})[int(record.system.get("index") or 0)] = record
    wide: dict[tuple[str, int, int, int], SearchResult] = {}
    for result in results:
        around = _wide(result, by_document.get((result.document_id, result.version), {}), reach)
        if by_section:
            around = _section(around, result)
        # Of two in one section the better stands for both.
        wide.setdefault((around.document_id, around.version, around.start, around.end), around)
    return list(wide.values())


def _section(around: SearchResult, result: SearchResult) -> SearchResult:
    """What belongs to the section of `result`, of the text around it.

    A chunk may begin in one section and end in the next: it stands where most of the words that matched do, or else
    its middle.
    """
    words = [] if result.why is None else [word.start for word in result.why.words]
    place = sorted(words)[len(words) // 2] if words else len(result.content) // 2
    start, end = section_around(around.content, result.start + place - around.start)
    content = around.content[start:end].rstrip()
    first = around.start + start
    return _moved(replace(around, content=content, start=first, end=first + len(content)), -start)


def _moved(result: SearchResult, places: int) -> SearchResult:
    """With the words that matched where they stand in its content now; those outside of it are left out."""
    if result.why is None:
        return result
    words = [replace(word, start=word.start + places, end=word.end + places) for word in result.why.words]
    within = tuple(word for word in words if word.start >= 0 and word.end <= len(result.content))
    return replace(result, why=replace(result.why, words=within))


def _around(results: Sequence[SearchResult], widen: int) -> Filter:
    nodes = [
        (F.system("document_id") == result.document_id)
        & (F.system("version") == result.version)
        & (F.system("index") >= result.chunk_index - widen)
        & (F.system("index") <= result.chunk_index + widen)
        for result in results
    ]
    node = nodes[0]
    for other in nodes[1:]:
        node = node | other
    return node


def _wide(result: SearchResult, chunks: dict[int, Record], widen: int) -> SearchResult:
    first = last = result.chunk_index
    while first - 1 in chunks and first > result.chunk_index - widen:
        first -= 1
    while last + 1 in chunks and last < result.chunk_index + widen:
        last += 1
    run = [chunks[index] for index in range(first, last + 1) if index in chunks]
    if len(run) < 2:
        return result
    start = end = _number(run[0], "start")
    content = ""
    for record in run:
        begins = _number(record, "start")
        if begins > end:
            content += unpack(record.system.get("before"), length=begins - end)
        content += (record.text or "")[max(0, end - begins) :]
        end = max(end, _number(record, "end"))
    return _moved(replace(result, content=content, start=start, end=end), result.start - start)


def _number(record: Record, name: str) -> int:
    return int(record.system[name] or 0)
