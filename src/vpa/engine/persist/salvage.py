"""Makes a collection again from whatever is sound in a damaged directory: rows of a snapshot, changes around damage.

`examine` reads only and says what would be lost. A record is kept if its id, vector, metadata and scope are sound; its
text may be lost. What is left of the others is kept as JSON lines, to be added again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from vpa.base.errors import StorageCorruptedError, VectorDatabaseError
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.engine.change import Change, decode
from vpa.engine.growable import Packed
from vpa.engine.persist.checks import unsound_parts
from vpa.engine.persist.codec import read_rows
from vpa.engine.persist.files import FileSystem
from vpa.engine.persist.frames import FrameHeader, LogHeader, frame_header, frame_positions, payload_of, read_header
from vpa.engine.persist.manifest import Manifest, Owner, read_manifest
from vpa.engine.persist.names import generations, log_path, snapshot_path
from vpa.engine.persist.pieces import Piece, Rows, split_rows
from vpa.engine.persist.recover import UNREADABLE
from vpa.engine.persist.snapshot import Snapshot
from vpa.engine.quant.scalar import CodedRows, Scalar
from vpa.engine.rows import decode_mapping
from vpa.engine.table import Table

_CHANGE_COSTS: Final = 1_000  # A lost change may hold many records and cannot be counted, so it weighs as a thousand.


@dataclass(slots=True)
class Salvaged:
    """What can be kept of one collection, and exactly what cannot.

    `lost_changes` counts changes of which nothing is left; `uncertain` new metadata of records whose text and vector
    may be among what is lost; `remains` has a JSON object for each of these, and per record that lost its vector.
    `repeated` changes have a number that another one has: two processes wrote, and which came first is not known.
    `end_is_known` False: nothing says where the log ended.
    """

    info: CollectionInfo
    collection: Table
    owner: Owner
    lost_records: int = 0
    lost_texts: int = 0
    lost_changes: int = 0
    uncertain: int = 0
    repeated: int = 0
    end_is_known: bool = True
    unfinished_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    remains: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kept_records(self) -> int:
        """How many records the new store holds."""
        return self.collection.view.live_count

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost that can be known."""
        lost = self.lost_records + self.lost_texts + self.lost_changes
        return self.end_is_known and not (lost or self.uncertain or self.repeated)

    @property
    def cost(self) -> tuple[int, int]:
        """To compare two ways. Of a lost change it is unknown what was in it: as bad as many records."""
        lost = self.lost_records + self.lost_texts + self.uncertain
        return _CHANGE_COSTS * self.lost_changes + lost, -self.kept_records


def examine(files: FileSystem, directory: str, *, name: str, store: str | None) -> Salvaged:
    """The best that can be made of the directory; raises StorageCorruptedError where nothing says what it holds."""
    manifest, why = _manifest(files, directory)
    snapshots = _snapshots(files, directory)
    logs = _logs(files, directory, manifest)
    owner = _owner(manifest, snapshots, logs, store)
    infos = {number: one.identity.info for number, one in snapshots.items() if one.identity.owner == owner}
    infos |= {number: header.info for number, (header, _) in logs.items() if header.owner == owner}
    if owner is None or not (manifest or infos):
        raise StorageCorruptedError(f"{directory} holds no file of a collection that can be read ({why})")
    if manifest is not None and manifest.owner == owner:
        info = manifest.info
    else:
        info = CollectionInfo.from_json(infos[max(infos)])
        why += f"; the description is that of generation {max(infos)}: a model that was noted later is not known"
    if info.name != name:
        raise StorageCorruptedError(f"{directory} holds collection {info.name!r}: give the directory that name first")
    bases = [(number, one) for number, one in sorted(snapshots.items(), reverse=True) if one.identity.owner == owner]
    ways = [_Salvage(info, owner, base, logs, manifest).run() for base in [*bases, None]]
    best = min(ways, key=lambda way: way.cost)
    if why:
        best.notes.insert(0, why)
    return best


def _manifest(files: FileSystem, directory: str) -> tuple[Manifest | None, str]:
    try:
        return read_manifest(files, directory), ""
    except StorageCorruptedError as error:
        return None, error.message
    except OSError as error:
        return None, str(error)


def _snapshots(files: FileSystem, directory: str) -> dict[int, Snapshot]:
    found = {}
    for number in generations(files.list_directory(directory), "snapshot"):
        try:
            snapshot = Snapshot(files, snapshot_path(directory, number), lenient=True)
        except (StorageCorruptedError, OSError, *UNREADABLE):
            continue
        if snapshot.identity.generation == number:
            found[number] = snapshot
    return found


def _logs(files: FileSystem, directory: str, manifest: Manifest | None) -> dict[int, tuple[LogHeader, memoryview]]:
    entries = {} if manifest is None else {log.generation: log for log in manifest.logs}
    found = {}
    for number in generations(files.list_directory(directory), "log"):
        data = files.read(log_path(directory, number))
        read = read_header(data)
        header = None if read is None else read[0]
        if header is None and manifest is not None and number in entries:
            # The manifest knows the nonce too.
            entry = entries[number]
            header = LogHeader(manifest.owner, number, entry.id, entry.first, None, manifest.info.to_json())
        if header is not None and header.generation == number:
            found[number] = (header, data)
    return found


def _owner(
    manifest: Manifest | None,
    snapshots: dict[int, Snapshot],
    logs: dict[int, tuple[LogHeader, memoryview]],
    store: str | None,
) -> Owner | None:
    """Whose the files are: what the manifest says, else most of them."""
    if manifest is not None and store in (None, manifest.owner.store):
        return manifest.owner
    owners = Counter([one.identity.owner for one in snapshots.values()] + [header.owner for header, _ in logs.values()])
    ours = [owner for owner, _ in owners.most_common() if store in (None, owner.store)]
    return ours[0] if ours else None


class _Salvage:
    """One way: from one snapshot, or from none, through the logs behind it."""

    def __init__(
        self,
        info: CollectionInfo,
        owner: Owner,
        base: tuple[int, Snapshot] | None,
        logs: dict[int, tuple[LogHeader, memoryview]],
        manifest: Manifest | None,
    ) -> None:
        self._base = base
        self._logs = logs
        self._manifest = manifest
        self._last = self._in_snapshot = 0
        # Ids by scope whose rows were written since the last loss; None before the first one.
        self._since_loss: dict[Scope, set[str]] | None = None
        self.result = Salvaged(info, Table(info), owner)

    def run(self) -> Salvaged:
        """Load the best snapshot and replay the logs behind it; what is damaged is noted and left out."""
        generation = 0
        if self._base is not None:
            generation, snapshot = self._base
            self._last = self._in_snapshot = int(snapshot.facts["sequence"])
            self._load(snapshot)
        for number in sorted(self._logs):
            header, data = self._logs[number]
            if number >= generation and header.owner == self.result.owner:
                self._replay(header, data)
            elif header.owner != self.result.owner:
                self.result.notes.append(f"log {number} is of another collection")
        if self._manifest is None:
            self.result.end_is_known = False
            self.result.notes.append("without collection.json nothing says whether changes are missing at the end")
        elif self._manifest.logs and self._manifest.logs[-1].last > self._last:
            self._lose(self._last + 1, self._manifest.logs[-1].last)
        return self.result

    def _lose(self, first: int, last: int) -> None:
        self._since_loss = {}
        self.result.lost_changes += last - first + 1
        self.result.notes.append(f"change {first} is lost" if first == last else f"changes {first} to {last} are lost")

    # Snapshots

    def _load(self, snapshot: Snapshot) -> None:
        sections = list(snapshot.facts["sections"])
        damaged = [name for name in sections if snapshot.unsound(name)]
        needed = [name for name in damaged if not name.startswith(("columns.", "index.", "half_squares"))]
        if not damaged:
            self.result.collection = Table(self.result.info, read_rows(snapshot, self.result.info))
            return
        if needed:
            self.result.notes.append(f"snapshot {snapshot.identity.generation}: damage in {', '.join(needed)}")
        rows = self._rows(snapshot)
        scopes = [Scope(tenant, namespace) for tenant, namespace in snapshot.facts["scopes"]]
        codes, known = self._scope_codes(snapshot, rows.count, len(scopes))
        self._keep(rows, scopes, codes, known)

    def _rows(self, snapshot: Snapshot) -> Rows:
        info, count = self.result.info, int(snapshot.facts["rows"])
        pieces = {name: Piece(snapshot.bytes_of(name), snapshot.unsound(name)) for name in snapshot.facts["sections"]}
        rows = split_rows(pieces, count=count, dimension=info.dimension)
        if "vectors.codes" in pieces:
            self._decode(snapshot, pieces, rows)
        return rows

    def _decode(self, snapshot: Snapshot, pieces: dict[str, Piece], rows: Rows) -> None:
        info = self.result.info
        scalar = Scalar(info.index.quantization, snapshot.array("vectors.centre"), info.metric is Metric.COSINE)
        coded = CodedRows(snapshot.array("vectors.codes"), snapshot.array("vectors.scales"))
        rows.vectors = scalar.decode(coded)
        places, size = np.arange(rows.count, dtype=np.int64), scalar.width
        rows.vectors_sound = pieces["vectors.codes"].rows_without(places * size, (places + 1) * size)
        rows.vectors_sound &= pieces["vectors.scales"].rows_without(places * 4, (places + 1) * 4)
        if pieces["vectors.centre"].unsound:
            rows.vectors_sound[:] = False

    def _scope_codes(self, snapshot: Snapshot, count: int, scopes: int) -> tuple[Any, Any]:
        if scopes == 1:
            return np.zeros(count, dtype=np.int32), np.ones(count, dtype=np.bool_)
        piece = Piece(snapshot.bytes_of("scopes"), snapshot.unsound("scopes"))
        codes = snapshot.array("scopes")
        places = np.arange(count, dtype=np.int64) * 4
        return codes, piece.rows_without(places, places + 4) & (codes >= 0) & (codes < scopes)

    def _keep(self, rows: Rows, scopes: Sequence[Scope], codes: Any, known: Any) -> None:
        identified = rows.ids_sound & known
        for name in ("metadata", "system"):
            identified &= rows.heaps_sound[name]
        whole = identified & rows.vectors_sound
        self.result.lost_records += int((~whole).sum())
        self.result.lost_texts += int((whole & ~rows.heaps_sound["texts"]).sum())
        for code, scope in enumerate(scopes):
            numbers = np.flatnonzero(whole & (codes == code))
            if len(numbers):
                self._apply(Change(scope, **rows.take(numbers)))
            self._remember(rows, np.flatnonzero(~whole & rows.ids_sound & known & (codes == code)), scope)

    def _remember(self, rows: Rows, numbers: Any, scope: Scope) -> None:
        for number in numbers.tolist():
            left: dict[str, Any] = {"id": rows.ids[number], "tenant": scope.tenant, "namespace": scope.namespace}
            text = _value(rows.heaps["texts"], number) if rows.heaps_sound["texts"][number] else None
            if text is not None:
                left["text"] = str(text, "utf-8")
            for name in ("metadata", "system"):
                if rows.heaps_sound[name][number]:
                    left[name] = decode_mapping(_value(rows.heaps[name], number))
            self.result.remains.append(left)

    def _apply(self, change: Change) -> None:
        if self._since_loss is not None and change.vectors is not None:
            self._since_loss.setdefault(change.scope, set()).update(change.ids)
        self.result.collection.writer.apply(change)

    # Logs

    def _replay(self, header: LogHeader, data: memoryview) -> None:
        for position in frame_positions(data, 0, header.nonce):
            found = frame_header(data, position, header.nonce)
            if found is None or found.sequence <= self._in_snapshot:
                continue
            if found.is_mark:
                # It was written behind that change: what was not found before it is gone.
                if found.sequence > self._last:
                    self._lose(self._last + 1, found.sequence)
                    self._last = found.sequence
                continue
            payload = payload_of(data, position, found)
            if len(payload) < found.length:
                self.result.unfinished_bytes += len(payload)
                continue
            if found.sequence > self._last + 1:
                self._lose(self._last + 1, found.sequence - 1)
            elif found.sequence <= self._last:
                self.result.repeated += 1
                self.result.notes.append(f"change {found.sequence} occurs twice; both were applied, as they stand")
            self._last = max(self._last, found.sequence)
            self._apply_frame(found, payload)

    def _apply_frame(self, header: FrameHeader, payload: memoryview) -> None:
        unsound = unsound_parts(payload, header.check_bytes, header.table)
        try:
            if unsound:
                self._since_loss = {}
                self._damaged(payload, unsound)
            else:
                self._apply_known(decode(payload))
        except (*UNREADABLE, VectorDatabaseError):
            self._lose(header.sequence, header.sequence)
            return
        if unsound:
            self.result.notes.append(f"change {header.sequence} is damaged; its sound records were kept")

    def _apply_known(self, change: Change) -> None:
        """As it was; a change of metadata only of the records that are left and surely those that it was for: where
        something was lost before, an older text and vector may stand there.
        """
        if change.vectors is None and change.ids:
            there = {
                one.id for one in self.result.collection.get(change.ids, scope=change.scope, include_vectors=False)
            }
            places = [place for place, name in enumerate(change.ids) if name in there]
            if self._since_loss is not None:
                sure = self._since_loss.get(change.scope, set())
                self._leave(change, [place for place in places if change.ids[place] not in sure])
                places = [place for place in places if change.ids[place] in sure]
            change = Change(
                change.scope,
                removed=change.removed,
                ids=[change.ids[place] for place in places],
                metadata=change.metadata.take(places),
                system=change.system.take(places),
            )
        self._apply(change)

    def _leave(self, change: Change, places: list[int]) -> None:
        self.result.uncertain += len(places)
        for place in places:
            self.result.remains.append(
                {
                    "id": change.ids[place],
                    "tenant": change.scope.tenant,
                    "namespace": change.scope.namespace,
                    "metadata": decode_mapping(_value(change.metadata, place)),
                    "system": decode_mapping(_value(change.system, place)),
                }
            )
        if places:
            self.result.notes.append(
                f"new metadata of {len(places)} records was left out: their text and vector may be among what is lost"
            )

    def _damaged(self, payload: memoryview, unsound: list[tuple[int, int]]) -> None:
        """The rows of a change that are sound. Raises ValueError where its beginning is not."""
        size = int.from_bytes(payload[:4], "little")
        if Piece(payload, unsound).sound_before() < 4 + size:
            raise ValueError("the description of the change is damaged")
        head = json.loads(bytes(payload[4 : 4 + size]))
        pieces, position = {}, 4 + size
        for name, length in head["parts"]:
            inside = [
                (max(0, a - position), min(length, b - position))
                for a, b in unsound
                if a < position + length and b > position
            ]
            pieces[name] = Piece(payload[position : position + length], inside)
            position += length
        scope = Scope(head["tenant"], head["namespace"])
        removed = pieces["removed"]
        if len(removed.data) and not removed.unsound:
            self._apply(Change(scope, removed=bytes(removed.data).decode().split("\0")))
        elif removed.unsound:
            self.result.notes.append("which records a damaged change removed is lost")
        self._damaged_rows(pieces, head["dimension"], scope)

    def _damaged_rows(self, pieces: dict[str, Piece], dimension: int | None, scope: Scope) -> None:
        count = len(pieces["vectors"].data) // (4 * dimension) if dimension else _count(pieces)
        if not count:
            return
        rows = split_rows(pieces, count=count, dimension=dimension)
        if dimension is not None:
            self._keep(rows, [scope], np.zeros(count, dtype=np.int32), np.ones(count, dtype=np.bool_))
            return
        whole = rows.ids_sound & rows.heaps_sound["metadata"] & rows.heaps_sound["system"]
        self.result.lost_records += int((~whole).sum())
        taken = rows.take(np.flatnonzero(whole))
        self._apply_known(Change(scope, ids=taken["ids"], metadata=taken["metadata"], system=taken["system"]))


def _value(packed: Packed, number: int) -> bytes | None:
    return packed.take([number]).unpack()[0]


def _count(pieces: dict[str, Piece]) -> int:
    for name in ("metadata", "system", "texts"):
        if f"{name}.lengths" in pieces:
            return len(pieces[f"{name}.lengths"].data) // 8
    return bytes(pieces["ids"].data).count(b"\0") + 1 if len(pieces["ids"].data) else 0
