"""Chunks that a model reads to their end: bounded by its tokens as well as by characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vpa.kit.steps import rest
from vpa.rag.chunking.splitter import Chunk, chunk_text

# A title stands before every chunk; it may not take the place of the text.
_TITLE_SHARE: Final = 4
# Characters of a title that fit into that share of 256 tokens, at four tokens each.
_NEVER_CUT: Final = 16
# A tokenizer takes a few milliseconds for that many.
_COUNTED_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Window:
    """The longest text that a model embeds whole, in tokens, and how it counts them. `count` blocks."""

    limit: int
    count: Callable[[Sequence[str]], list[int]]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, counted in slices."""
        lengths: list[int] = []
        for start in range(0, len(texts), _COUNTED_AT_ONCE):
            lengths += self.count(texts[start : start + _COUNTED_AT_ONCE])
            rest()
        return lengths

    def holds(self, text: str) -> bool:
        """Whether all of a text is embedded."""
        return self.count([text])[0] <= self.limit


@dataclass(frozen=True, slots=True)
class Fitted:
    """Chunks that fit, with the prefix that each is embedded with; `recut` did not fit as they were first cut."""

    chunks: Sequence[Chunk]
    prefix: str
    recut: int
    title_was_cut: bool


def fit(chunks: Sequence[Chunk], *, title: str, window: Window | None, overlap: int, fmt: str = "text") -> Fitted:
    """Cut again what the window does not hold together with the title; a long title is shortened in what is embedded.

    Without a window everything fits.
    """
    prefix = _prefix(title, alone=not chunks[0].text)
    if window is None:
        return Fitted(chunks, prefix, 0, False)
    shortened = _shortened(prefix, window, alone=not chunks[0].text)
    result: list[Chunk] = []
    recut = 0
    lengths = window.lengths([chunk.embedded(shortened) for chunk in chunks])
    for chunk, length in zip(chunks, lengths, strict=True):
        if length <= window.limit:
            result.append(chunk)
            continue
        recut += 1
        result += _cut_again(chunk, length, prefix=shortened, window=window, overlap=overlap, fmt=fmt)
    return Fitted(_without_covered(result) if recut else result, shortened, recut, shortened != prefix)


def possible_prefixes(title: str, *, alone: bool) -> list[str]:
    """Every prefix that `fit` can choose for a title, whatever the window: for callers that have no tokenizer.

    `alone`: the document has no text.
    """
    prefix = _prefix(title, alone=alone)
    if len(prefix) <= _NEVER_CUT:
        return [prefix]
    end = "" if alone else ". "
    return list(dict.fromkeys([prefix, *(prefix[:length].rstrip() + end for length in range(1, len(prefix)))]))


def _prefix(title: str, *, alone: bool) -> str:
    return title if alone or not title.strip() else f"{title}. "


def _cut_again(chunk: Chunk, length: int, *, prefix: str, window: Window, overlap: int, fmt: str) -> list[Chunk]:
    waiting, result = [(chunk, length)], []
    while waiting:
        part, tokens = waiting.pop()
        if tokens <= window.limit or len(part.text) < 2:
            result.append(part)
            continue
        # A tenth less than the share that fits, as tokens are not spread evenly.
        size = max(1, min(len(part.text) - 1, len(part.text) * window.limit * 9 // (tokens * 10)))
        smaller = chunk_text(part.text, size=size, overlap=min(overlap, size // 7), fmt=fmt)
        moved = [
            replace(part, text=one.text, start=part.start + one.start, end=part.start + one.end) for one in smaller
        ]
        counted = window.lengths([one.embedded(prefix) for one in moved])
        waiting += list(zip(moved, counted, strict=True))[::-1]
    return result


def _without_covered(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Without chunks that a neighbour holds whole: the end of one that was cut again may lie in the next's overlap."""
    result: list[Chunk] = []
    for chunk in chunks:
        if result and chunk.end <= result[-1].end:
            continue
        while result and chunk.start <= result[-1].start:
            result.pop()
        result.append(chunk)
    return result


def _shortened(prefix: str, window: Window, *, alone: bool) -> str:
    """The most of a title, up to a word's end, that leaves the text its share of the window."""
    limit = window.limit if alone else window.limit // _TITLE_SHARE
    if not prefix or window.count([prefix])[0] <= limit:
        return prefix
    low, high = 0, len(prefix)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if window.count([prefix[:middle] + ". "])[0] <= limit else (low, middle)
    word = prefix.rfind(" ", 0, low)
    return prefix[: word if word > low // 2 else low].rstrip() + ("" if alone else ". ")
