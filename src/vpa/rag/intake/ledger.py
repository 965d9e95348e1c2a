"""The ledger: which files a collection's documents are from, kept in the collection, in a scope of its own.

Its records hold some hundred files each and lie in a namespace beside the one of the documents, so that no search,
count or list of theirs meets them; they move, are copied and are dropped with the collection. Documents are written
first, the ledger after them: what a crash keeps it from learning is read again, and replaces what is there.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from dataclasses import fields as fields_of
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.errors import StorageCorruptedError
from vpa.base.records import Record
from vpa.base.scope import INTERNAL, Scope
from vpa.client.collection import Collection
from vpa.filters import F
from vpa.rag.chunks import first_chunks

_NAMESPACE: Final = f"{INTERNAL}files."
_FILES_PER_RECORD: Final = 128
_PAGE: Final = 200
_FIELD: Final = "files"
_ROOTS: Final = "roots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file as it was last read.

    `digest`: BLAKE2b of its bytes; `parser`: the readers with their versions; `documents`: how many it holds. `state`:
    "read" (a `reason` says what may be read better later), "failed" (why, and at how many places: `problems`), or
    "skipped", which no reader knows.
    """

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    digest: str = ""
    parser: str = ""
    documents: int = 0
    chunks: int = 0
    state: str = "read"
    reason: str = ""
    problems: int = 0


_FIELDS: Final = frozenset(declared.name for declared in fields_of(Entry))
_DEFAULTS: Final = {declared.name: declared.default for declared in fields_of(Entry)}


@dataclass(slots=True)
class Ledger:
    """The entries of one collection and scope, in memory while files are ingested.

    `roots`: by name, the folder on this machine that it stands for.
    """

    collection: Collection
    scope: Scope
    entries: dict[str, Entry] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    _shelves: int = 1
    _dirty: set[int] = field(default_factory=set)
    _stale: list[str] = field(default_factory=list)
    _roots_changed: bool = False
    changes: int = 0

    @property
    def place(self) -> Scope:
        """The scope of the ledger's records."""
        return ledger_scope(self.scope)

    async def load(self) -> None:
        """Read it; an empty one where nothing was ingested. Raises StorageCorruptedError for records of others."""
        layers: dict[int, dict[str, Entry]] = {}
        ids: dict[int, list[str]] = {}
        batches = self.collection.scan_batches(batch_size=_PAGE, include_vectors=False, scope=self.place)
        async for batch in batches:
            for record in batch:
                self._take(record, layers, ids)
        self._shelves = max(layers, default=1)
        # A crash while it grew leaves both sizes. The larger one is newer, and all there is if no record of it is
        # missing.
        is_complete = len(ids.get(self._shelves, ())) == self._shelves
        for shelves in sorted(layers):
            if shelves == self._shelves or not is_complete:
                self.entries |= layers[shelves]
            if shelves != self._shelves:
                self._stale += ids[shelves]
                self._dirty.update(range(self._shelves))

    def _take(self, record: Record, layers: dict[int, dict[str, Entry]], ids: dict[int, list[str]]) -> None:
        kind, _, rest = record.id.partition(":")
        if kind == _ROOTS:
            self.roots = _unpacked(record)
        elif kind == _FIELD:
            shelves = _number(rest.partition(":")[0], record)
            layer = layers.setdefault(shelves, {})
            ids.setdefault(shelves, []).append(record.id)
            for name, fields in _unpacked(record).items():
                layer[name] = Entry(name=name, **{key: value for key, value in fields.items() if key in _FIELDS})

    def put(self, entry: Entry) -> None:
        """Note a file; saved by `save`."""
        self.entries[entry.name] = entry
        self._touch(entry.name)

    def remove(self, name: str) -> None:
        """Forget a file."""
        if self.entries.pop(name, None) is not None:
            self._touch(name)

    def name_root(self, name: str, directory: str) -> None:
        """Note what folder a name stands for."""
        if self.roots.get(name) != directory:
            self.roots[name] = directory
            self._roots_changed = True
            self.changes += 1

    def remove_root(self, name: str) -> None:
        """Forget what folder a name stands for."""
        if self.roots.pop(name, None) is not None:
            self._roots_changed = True
            self.changes += 1

    def _touch(self, name: str) -> None:
        self._dirty.add(self._shelf_of(name))
        self.changes += 1

    def _shelf_of(self, name: str) -> int:
        return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % self._shelves

    async def save(self) -> None:
        """Write what changed since it was loaded or saved. What fails stays to be written."""
        if len(self.entries) > _FILES_PER_RECORD * self._shelves:
            self._stale += [f"{_FIELD}:{self._shelves}:{number}" for number in range(self._shelves)]
            while len(self.entries) > _FILES_PER_RECORD // 2 * self._shelves:
                self._shelves *= 2
            self._dirty = set(range(self._shelves))
        dirty = self._dirty
        records = list(self._records(dirty))
        if self._roots_changed:
            records.append(self._record(f"{_ROOTS}:", self.roots))
        if records:
            await self._write(records, dirty)
        if self._stale:
            await self.collection.delete(ids=self._stale, scope=self.place)
            self._stale = []

    async def _write(self, records: list[Record], dirty: set[int]) -> None:
        """What is noted while this is written is marked anew."""
        changes, roots_changed = self.changes, self._roots_changed
        self._dirty, self.changes, self._roots_changed = set(), 0, False
        try:
            await self.collection.upsert(records, scope=self.place)
        except BaseException:
            self._dirty |= dirty
            self.changes += changes
            self._roots_changed |= roots_changed
            raise

    async def lost(self) -> set[str]:
        """Files of which documents are missing that were written: deleted one by one, or by another program."""
        expected = {name: entry.documents for name, entry in self.entries.items() if entry.documents}
        documents = first_chunks() & F.system("file").exists()
        if await self.collection.count(filter=documents, scope=self.scope) == sum(expected.values()):
            return set()
        counts: Counter[str] = Counter()
        pages = self.collection.scan_batches(
            filter=documents, batch_size=_PAGE, include_vectors=False, scope=self.scope
        )
        async for page in pages:
            counts.update(str(record.system["file"]) for record in page)
        return {name for name, count in expected.items() if counts[name] < count}

    def _records(self, numbers: Iterable[int]) -> Iterator[Record]:
        contents: dict[int, dict[str, Any]] = {number: {} for number in numbers}
        for name, entry in self.entries.items():
            if (number := self._shelf_of(name)) in contents:
                fields = asdict(entry)
                del fields["name"]
                contents[number][name] = {key: value for key, value in fields.items() if value != _DEFAULTS.get(key)}
        for number, entries in contents.items():
            yield self._record(f"{_FIELD}:{self._shelves}:{number}", entries)

    def _record(self, record_id: str, content: Any) -> Record:
        packed = base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()
        vector = self.any_vector(record_id)
        return Record(record_id, vector=vector, system={_FIELD: packed})

    def any_vector(self, name: str) -> FloatVector:
        """A direction that means nothing: a record has one. Not the same for all, which would lame graph indexes."""
        seed = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        vector = np.random.default_rng(seed).standard_normal(self.collection.info.dimension)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def ledger_scope(scope: Scope) -> Scope:
    """Where the ledger of a scope lies: in the same tenant, so that it goes with it."""
    digest = blake2b(scope.namespace.encode(), digest_size=12).hexdigest()
    return Scope(scope.tenant, f"{_NAMESPACE}{digest}")


def _number(text: str, record: Record) -> int:
    if not text.isdecimal():
        raise StorageCorruptedError(f"record {record.id!r} is no part of the ledger of ingested files")
    return int(text)


def _unpacked(record: Record) -> dict[str, Any]:
    try:
        value = json.loads(zlib.decompress(base64.b64decode(str(record.system[_FIELD]))))
    except (KeyError, ValueError, zlib.error) as error:
        raise StorageCorruptedError(
            f"record {record.id!r} in namespace {_NAMESPACE}… is no part of the ledger of ingested files: something "
            "else wrote it; delete that namespace, and the next ingest reads all files again"
        ) from error
    if not isinstance(value, dict):
        raise StorageCorruptedError(f"record {record.id!r} of the ledger of ingested files holds no table")
    return value
