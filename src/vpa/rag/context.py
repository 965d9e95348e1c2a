"""Results as text for a prompt: numbered, within a budget, with the place of everything that is quoted.

What a document says stays inside its fence: no text can end it, or look like one of our citations.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from vpa.base.arguments import explained
from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown
from vpa.observe.printable import one_line
from vpa.rag.documents import SearchResult

CountTokens: TypeAlias = Callable[[str], int]
# Chunks of a document that have at most this many characters between them are joined: blanks that no chunk holds.
_GAP: Final = 4
# One number, or several: [1], [ 1 ], [1, 2], [1-3].
_CITATION: Final = re.compile(r"\[(\s*\d[\d\s,;\u2010-\u2015-]*)\]")
_ELLIPSIS: Final = " …"
_FENCE_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What `[number]` in a context stands for: characters `start` to `end` of a document, from these chunks."""

    number: int
    document_id: str
    title: str
    start: int
    end: int
    chunk_ids: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Text for a prompt, what its numbers stand for, its size in tokens, and how many results found no room.

    `fence` opens and closes each quotation; no quoted text contains it.
    """

    text: str
    citations: tuple[Citation, ...]
    tokens: int
    left_out: int
    fence: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class _Block:
    """Results of one document whose places touch, as one text."""

    results: list[SearchResult]
    text: str
    start: int
    end: int

    @property
    def score(self) -> float:
        return max(result.score for result in self.results)


def _checked(count_tokens: CountTokens) -> CountTokens:
    """The caller's tokenizer, whose answers are looked at."""
    if not callable(count_tokens):
        raise InvalidQueryError(f"count_tokens is a function from a text to a number, not {shown(count_tokens)}")

    def count(text: str) -> int:
        number: object = count_tokens(text)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise InvalidQueryError(f"count_tokens gave {shown(number)}; it gives a whole number from 0 up")
        return number

    return count


@explained
def build_context(
    results: Sequence[SearchResult], *, budget_tokens: int, count_tokens: CountTokens | None = None
) -> Context:
    """The results as numbered quotations, best first, in at most `budget_tokens`.

    Results with the same text are quoted once, neighbouring chunks of a document as one. The last quotation may be cut
    at a word, which its citation says. `count_tokens(text)` is your model's tokenizer; without one a text counts as
    many tokens as it has bytes in UTF-8, more than any tokenizer makes of it. Raises InvalidQueryError.
    """
    if isinstance(budget_tokens, bool) or not isinstance(budget_tokens, int) or budget_tokens < 1:
        raise InvalidQueryError(f"budget_tokens must be a whole number from 1 up, not {shown(budget_tokens)}")
    if not isinstance(results, Sequence) or not all(isinstance(result, SearchResult) for result in results):
        raise InvalidQueryError(f"build_context takes the results of search_knowledge, not {shown(results)}")
    count = most_tokens if count_tokens is None else _checked(count_tokens)
    blocks = _blocks(results)
    fence = _fence([block.text for block in blocks])
    parts: list[str] = []
    citations: list[Citation] = []
    used = 0
    for block in blocks:
        written, shortened = _written(block, number=len(citations) + 1, fence=fence), None
        if count("\n\n".join([*parts, written])) > budget_tokens:
            shortened = _shortened(
                block, parts, number=len(citations) + 1, fence=fence, budget=budget_tokens, count=count
            )
            if shortened is None:
                break
            written = shortened
        parts.append(written)
        citations.append(_citation(block, number=len(citations) + 1))
        used += len(block.results)
        if shortened is not None:
            break
    text = "\n\n".join(parts)
    return Context(
        text=text,
        citations=tuple(citations),
        tokens=count(text) if parts else 0,
        left_out=len(results) - used,
        fence=fence,
    )


def most_tokens(text: str) -> int:
    """More tokens than any tokenizer makes of a text: one for each byte, and one for the beginning.

    Tokenizers may normalise first, which makes some characters longer.
    """
    normal = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return max(len(text.encode()), len(normal.encode())) + 1


def _blocks(results: Iterable[SearchResult]) -> list[_Block]:
    """Best first."""
    by_document: dict[tuple[str, int], list[SearchResult]] = {}
    known: dict[str, SearchResult] = {}
    duplicates: dict[int, list[SearchResult]] = {}
    for result in results:
        first = known.setdefault(result.content.strip(), result)
        if first is result:
            by_document.setdefault((result.document_id, result.version), []).append(result)
        else:
            duplicates.setdefault(id(first), []).append(result)
    blocks = [block for chunks in by_document.values() for block in _joined(chunks)]
    for block in blocks:
        block.results += [other for result in list(block.results) for other in duplicates.get(id(result), ())]
    return sorted(blocks, key=lambda block: -block.score)


def _joined(chunks: Sequence[SearchResult]) -> list[_Block]:
    """Chunks of one document, those that overlap or touch as one."""
    blocks: list[_Block] = []
    for chunk in sorted(chunks, key=lambda result: (result.start, result.end)):
        last = blocks[-1] if blocks else None
        if last is None or chunk.start > last.end + _GAP:
            blocks.append(_Block([chunk], chunk.content, chunk.start, chunk.end))
            continue
        last.results.append(chunk)
        if chunk.end > last.end:
            # As wide as what no chunk holds, so that places in the text are places in the document.
            gap = "\n" * max(0, chunk.start - last.end)
            last.text += gap + chunk.content[max(0, last.end - chunk.start) :]
            last.end = chunk.end
    return blocks


def _fence(texts: Sequence[str]) -> str:
    """A line that stands in none of the texts, and that none of their writers could know."""
    whole = "\0".join(texts)
    digest = hashlib.sha256(whole.encode()).hexdigest()
    while True:
        fence = f"~~~{digest[:_FENCE_DIGITS]}"
        if fence not in whole:
            return fence
        digest = hashlib.sha256(digest.encode()).hexdigest()


def _written(block: _Block, *, number: int, fence: str) -> str:
    first = block.results[0]
    name = _harmless(one_line(first.title or first.document_id))
    place = _harmless(one_line(first.document_id))
    heading = f"[{number}] {name} ({place}, characters {block.start} to {block.end})"
    return f"{heading}\n{fence}\n{_harmless(block.text)}\n{fence}"


def _harmless(text: str) -> str:
    """Without anything that reads as one of our citations."""
    return _CITATION.sub(r"［\1］", text)


def _shortened(
    block: _Block, parts: Sequence[str], *, number: int, fence: str, budget: int, count: CountTokens
) -> str | None:
    """The block cut at a word so that it fits; None where not even a few words do."""
    ends = [match.end() for match in re.finditer(r"\S+", block.text)]
    low, high = 0, len(ends) - 1
    whole, end = block.text, block.end
    fitting = None
    while low <= high:
        middle = (low + high) // 2
        block.text, block.end = whole[: ends[middle]] + _ELLIPSIS, block.start + ends[middle]
        written = _written(block, number=number, fence=fence)
        if count("\n\n".join([*parts, written])) <= budget:
            fitting, low = (block.text, block.end, written), middle + 1
        else:
            high = middle - 1
    if fitting is None:
        block.text, block.end = whole, end
        return None
    block.text, block.end, written = fitting
    return written


def _citation(block: _Block, *, number: int) -> Citation:
    first = block.results[0]
    return Citation(
        number=number,
        document_id=first.document_id,
        title=first.title,
        start=block.start,
        end=block.end,
        chunk_ids=tuple(dict.fromkeys(result.chunk_id for result in block.results)),
        score=block.score,
    )
