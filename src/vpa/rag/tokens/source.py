"""Token vectors by content: from the embedder to a shelf when documents are added, and back when they are searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.embeddings.batched import BatchedEmbedder
from vpa.kit.shelf.contract import Shelf, ShelfError
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.rag.chunking.splitter import Chunk
from vpa.rag.chunking.window import Window, fit
from vpa.rag.chunks import PreparedDocument
from vpa.retrieval.candidates import Candidate
from vpa.retrieval.light.codes import encode
from vpa.retrieval.light.reranker import Values

# Candidates that are embedded again by a search, because only they have no token vectors.
HANDFUL: Final = 5
# A shelf that is fuller than this takes what is new, and nothing again: it would drop as much.
_FULL: Final = 0.9
_log = get_logger("vpa.rag")


class Tokens:
    """Those of one model, on one shelf. Reading and writing run in `workers`."""

    def __init__(self, embedder: BatchedEmbedder, shelf: Shelf, *, workers: Workers) -> None:
        self._embedder = embedder
        self._shelf = shelf
        self._workers = workers
        self._has_failed = False

    # Documents in

    async def sink(self, group: Sequence[PreparedDocument]) -> Sink | None:
        """What takes the token vectors of these documents; None where none are kept."""
        identity = await self._embedder.open()
        if self._embedder.token_width is None or not self._shelf.is_made:
            return None
        keys: dict[str, list[bytes]] = {}
        for prepared in group:
            title = prepared.document.title
            for chunk, text in zip(prepared.chunks, prepared.texts_to_embed(), strict=True):
                keys.setdefault(text, []).append(key_of(identity, title, chunk.text))
        try:
            known = await self._workers.run(self._known, [key for several in keys.values() for key in several])
        except ShelfError as error:
            self._say(error)
            return None
        lacking = set() if known is None else {text for text, several in keys.items() if not known.issuperset(several)}
        return Sink(self, keys, lacking)

    def _known(self, keys: Sequence[bytes]) -> set[bytes] | None:
        """None where the shelf is full."""
        return None if self._shelf.size_bytes > _FULL * self._shelf.max_bytes else self._shelf.known(keys)

    async def keep(self, values: Mapping[bytes, bytes]) -> None:
        """On the shelf. One that cannot be written to is told of in the log, once; documents are added nevertheless."""
        try:
            await self._workers.run(self._shelf.put, values)
        except ShelfError as error:
            self._say(error)

    def _say(self, error: ShelfError) -> None:
        if not self._has_failed:
            _log.warning("token vectors are not kept", reason=str(error), meaning="rerank='light' will not see them")
        self._has_failed = True

    # Results out

    async def question(self, text: str) -> TokenVectors:
        """Those of a question, which were made when it was embedded."""
        return await self._embedder.question_tokens(text)

    async def values(self, candidates: Sequence[Candidate]) -> Values:
        """What the shelf has; a handful that it lacks are made now."""
        identity = await self._embedder.open()
        keys = [key_of(identity, _title(candidate), candidate.text) for candidate in candidates]
        try:
            known = dict(await self._workers.run(self._shelf.get, keys))
        except ShelfError as error:
            return Values([None] * len(keys), (f"there are no token vectors to rerank by: {error}",))
        missing = {key: one for key, one in zip(keys, candidates, strict=True) if key not in known}
        if missing and len(missing) <= HANDFUL:
            known |= await self._made(missing)
            missing = {}
        notes = () if not missing else (_missing(sum(key in missing for key in keys), len(keys)),)
        return Values([known.get(key) for key in keys], notes)

    async def _made(self, missing: Mapping[bytes, Candidate]) -> Mapping[bytes, bytes]:
        limit = self._embedder.max_tokens
        window = None if limit is None else Window(limit, self._embedder.count_tokens)
        prefixes = await self._workers.run(_prefixes, missing.values(), window)
        keys: dict[str, list[bytes]] = {}
        for prefix, (key, candidate) in zip(prefixes, missing.items(), strict=True):
            keys.setdefault(prefix + candidate.text, []).append(key)
        sink = Sink(self, keys, set(keys))
        await self._embedder.documents(list(keys), tokens=sink)
        return sink.values

    async def discard(
        self, identity: EmbeddingIdentity, chunks: Iterable[tuple[str, str]], *, dry_run: bool = False
    ) -> int:
        """Remove the token vectors of chunks, named by title and text; returns how many there were.

        `dry_run` only counts. Raises ShelfError.
        """
        return await self._workers.run(self._discard, identity, list(chunks), dry_run)

    def _discard(self, identity: EmbeddingIdentity, chunks: Sequence[tuple[str, str]], dry_run: bool) -> int:
        keys = [key_of(identity, title, text) for title, text in chunks]
        return len(self._shelf.known(keys)) if dry_run else self._shelf.discard(keys)

    def close(self) -> None:
        """Close the shelf. May be called twice."""
        self._shelf.close()


class Sink:
    """Takes the token vectors of texts as they are embedded; `lacking` are the texts that the shelf does not have."""

    def __init__(self, tokens: Tokens, keys: Mapping[str, Sequence[bytes]], lacking: set[str]) -> None:
        self.lacking = lacking
        self.values: dict[bytes, bytes] = {}
        self._tokens = tokens
        self._keys = keys

    async def put(self, texts: Sequence[str], tokens: Sequence[TokenVectors]) -> None:
        """Code them and lay them on the shelf."""
        values = await self._tokens._workers.run(self._coded, texts, tokens)
        self.values |= values
        await self._tokens.keep(values)

    def _coded(self, texts: Sequence[str], tokens: Sequence[TokenVectors]) -> dict[bytes, bytes]:
        coded = {}
        for text, made in zip(texts, tokens, strict=True):
            value = encode(made.rows, made.stretches)
            coded.update(dict.fromkeys(self._keys[text], value))
        return coded


def key_of(identity: EmbeddingIdentity, title: str, text: str) -> bytes:
    """The same for the same model, title and text of a chunk, and for nothing else."""
    digest = blake2b(digest_size=16)
    for part in (repr(identity), title, text):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def _title(candidate: Candidate) -> str:
    return str(candidate.match.system.get("title") or "")


def _prefixes(candidates: Iterable[Candidate], window: Window | None) -> list[str]:
    """What each was embedded with in front."""
    return [
        fit([Chunk(one.text, 0, len(one.text))], title=_title(one), window=window, overlap=0).prefix
        for one in candidates
    ]


def _missing(count: int, total: int) -> str:
    which = f"{count} of {total} candidates have no token vectors"
    if count == total:
        which = f"none of the {total} candidates has token vectors: the order is as it was"
    return f"{which}; they are made when documents are added, or added again, with VPA_RERANK=light (docs/retrieval.md)"
