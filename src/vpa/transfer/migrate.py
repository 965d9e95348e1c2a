"""Copies a collection from one store to another with bounded memory, goes on after an interruption, then proves it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from vpa.base.arguments import explained
from vpa.base.errors import ConfigurationError, DimensionMismatchError, EmbeddingMismatchError, VerificationError
from vpa.base.records import FOREIGN, CollectionInfo, EmbeddingIdentity
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.arguments import check_manager, check_name
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.options import StoreOptions
from vpa.transfer.destination import create_like
from vpa.transfer.place import is_same_place
from vpa.transfer.verify import Verification, verify

Progress = Callable[[str, int], None]
_FIRST: Final = 100  # Records of the page that is looked at to see whether there are any.


def _silent(stage: str, count: int) -> None:
    del stage, count


@dataclass(frozen=True, slots=True)
class Migration:
    """What was done. `resumed`: how many records an earlier, interrupted run had copied."""

    copied: int
    resumed: int
    verification: Verification


@explained
async def migrate(
    source: VectorDatabaseManager,
    target: VectorDatabaseManager,
    *,
    collection: str,
    to_collection: str | None = None,
    store_options: StoreOptions | Mapping[str, Any] | None = None,
    embedding: EmbeddingIdentity | None = None,
    keywords: str | None = None,
    batch_size: int = 1000,
    state_directory: str | None = None,
    progress: Progress = _silent,
) -> Migration:
    """Copy `collection` with every scope into a new collection of `target`, then verify it.

    Both managers are connected. The collection's own store options go along to a store of the same kind;
    `store_options` replace them, on any store (an empty mapping: none). `embedding` is the model that the vectors are
    from, where the source does not say it because others wrote it. A keyword index goes along; `keywords` is the
    language of one that the copy is to get. How far it got is kept in a small file in
    `state_directory` (default: the current directory) until it is done, so that the same call goes on after an
    interruption. `progress` is told the stage ("copy" or "verify") and how many records were done since. Raises
    ConfigurationError if the target is the source, holds records of its own or refuses the options,
    EmbeddingMismatchError and DimensionMismatchError for an `embedding` that it cannot be, VerificationError if what
    arrived is not what was sent.
    """
    name, to_name = _checked(source, target, collection=collection, to_collection=to_collection)
    origin = await source.collection(name)
    state = _State(_directory(state_directory), source, target, name, to_name)
    info = _from_model(origin.info, embedding)
    made = await create_like(target, info, name=to_name, store_options=store_options, keywords=keywords)
    destination = await _destination(made, state)
    copied = 0
    async for batch in origin.scan_batches(scope=ALL_SCOPES, batch_size=batch_size, cursor=state.cursor):
        await destination.upsert(batch, scope=batch.scope or Scope())
        copied += len(batch)
        state.save(batch.cursor, state.copied + len(batch))
        progress("copy", len(batch))
    await destination.optimize()
    report = await verify(origin, destination, progress=lambda count: progress("verify", count))
    resumed = state.copied - copied
    state.remove()
    if not report.ok:
        shown = "; ".join([*report.differences[:5], *report.examples[:5]])
        raise VerificationError(
            f"{collection!r} was copied, but the copy is not equal: {shown}; if the source was written to meanwhile, "
            "run it again into a new collection; the copy was left as it is",
            report=report,
        )
    return Migration(copied, resumed, report)


def _from_model(info: CollectionInfo, embedding: EmbeddingIdentity | None) -> CollectionInfo:
    if embedding is None or info.embedding == embedding:
        return info
    if info.embedding is not None:
        raise EmbeddingMismatchError(
            f"collection {info.name!r} holds vectors of {info.embedding}, not of {embedding}; leave embedding out",
            collection=info.name,
        )
    if info.dimension != embedding.dimension:
        raise DimensionMismatchError(
            f"collection {info.name!r} has dimension {info.dimension}, and {embedding} makes {embedding.dimension}: "
            "its vectors are from another model",
            collection=info.name,
        )
    return replace(info, embedding=embedding)


def _checked(source: object, target: object, *, collection: object, to_collection: object) -> tuple[str, str]:
    """The two names; raises ConfigurationError where an end is no manager, or the collection is to be its own copy."""
    left = check_manager(source, function="migrate", argument="source")
    right = check_manager(target, function="migrate", argument="target")
    name = check_name(collection, function="migrate", argument="collection")
    to_name = name if to_collection is None else check_name(to_collection, function="migrate", argument="to_collection")
    if name == to_name and is_same_place(left, right):
        raise ConfigurationError(
            f"the target is the source, collection {name!r} of one {left.config.provider} store; choose another name "
            "with to_collection (--to-collection), or another store; nothing was written"
        )
    return name, to_name


def _directory(state_directory: str | None) -> Path:
    directory = Path(state_directory or ".")
    if not directory.is_dir() or not os.access(directory, os.W_OK):
        raise ConfigurationError(
            f"state_directory {str(directory)!r} is no directory that can be written; nothing was copied"
        )
    return directory


async def _destination(made: Collection, state: _State) -> Collection:
    name = made.name
    if made.info.layout_version == FOREIGN:
        raise ConfigurationError(f"collection {name!r} of the target was not written by vpa; choose another name")
    first = await _first_id(made)
    if first is None:
        # Also after an interruption: the target was dropped, or is another one.
        state.save(None, 0)
    elif not state.exists:
        raise ConfigurationError(
            f"collection {name!r} of the target holds records ({first!r}, …); a copy needs an empty or new one: choose "
            "another name with to_collection (--to-collection), or, if an interrupted copy left them, go on in the "
            f"directory where it left {state.path.name}"
        )
    return made


async def _first_id(collection: Collection) -> str | None:
    async for batch in collection.scan_batches(scope=ALL_SCOPES, batch_size=_FIRST, include_vectors=False):
        return batch.ids[0]
    return None


class _State:
    """The file that says how far it got; written by rename, so that it is whole or the one before."""

    def __init__(
        self, directory: Path, source: VectorDatabaseManager, target: VectorDatabaseManager, name: str, to_name: str
    ) -> None:
        key = json.dumps([_place(source), name, _place(target), to_name])
        self.path = directory / f".vpa-migrate-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.json"
        self.cursor: str | None = None
        self.copied = 0
        self.exists = False
        # One that cannot be read is as good as none: then a target that holds records is refused.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            stored = json.loads(self.path.read_text("utf-8"))
            self.cursor, self.copied, self.exists = stored["cursor"], int(stored["copied"]), True

    def save(self, cursor: str | None, copied: int) -> None:
        """Keep where the next run goes on; called before the first batch and after each."""
        self.cursor, self.copied, self.exists = cursor, copied, True
        partial = self.path.with_suffix(".tmp")
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(json.dumps({"cursor": cursor, "copied": copied}))
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        except OSError as error:
            raise ConfigurationError(
                f"{str(self.path)!r}, which says how far the copy is, cannot be written: {error.strerror or error}"
            ) from error

    def remove(self) -> None:
        """When it is done."""
        # All is copied and proved: a file that stays is no failure of that.
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _place(manager: VectorDatabaseManager) -> list[Any]:
    config = manager.config
    return [str(config.provider), config.host, config.port, config.path, (config.url or "").rpartition("@")[2]]
