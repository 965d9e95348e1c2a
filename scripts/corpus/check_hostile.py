"""Ingests the folder that hostile.py made, and checks that each file is read or named, in bounded time and memory.

`python check_hostile.py FOLDER [--seconds 20] [--memory 1024] [--samples] [--json FILE]`. Twice: file by file through
ReaderPool, for times and texts, and the whole folder with `rag.ingest` into a durable store. Exit status 1 where a file
is neither read nor named, was read though it must not be, took longer than its limit and some seconds, a secret came
in, or an honest file did not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from case import SECRET

import vpa
from vpa.config.settings import DeploymentConfig
from vpa.ingest.contract import Limits
from vpa.ingest.finding import FoundFile, Search, find_files, readable
from vpa.ingest.pool import Job, ReaderPool

# Over its limit: killing a process and starting the next one.
GRACE_S = 8.0


@dataclass(slots=True)
class Outcome:
    """What became of a file."""

    name: str
    kind: str
    expected: str
    seconds: float = 0.0
    texts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def fault(self) -> str:
        """What is wrong with that; empty where nothing is."""
        named = bool(self.problems or self.notes)
        if not self.texts and not named:
            return "neither read nor named"
        if self.expected == "read" and not self.texts:
            return f"must be read: {self.problems[:1]}"
        if self.expected == "named" and not named:
            return f"must be refused, but was read: {self.texts[0][:60]!r}"
        if any(SECRET in text or "root:x:0:0" in text for text in self.texts):
            return "holds a secret from outside"
        return ""


def settings(seconds: float, memory_mb: int, place: str) -> DeploymentConfig:
    """Those of a run."""
    return DeploymentConfig(
        embedding_model="hashing", vector_db_path=place, ingest_seconds=seconds, ingest_memory_mb=memory_mb
    )


async def one_by_one(folder: Path, manifest: Mapping[str, Any], limits: Limits) -> list[Outcome]:
    """Each file through a reader of its own, timed."""
    outcomes = {
        os.fsencode(one["path"]): Outcome(readable(one["path"]), one["kind"], one["expected"])
        for one in manifest["hostile"]
    }
    async with ReaderPool(limits, size=1) as pool:
        for item in await asyncio.to_thread(lambda: list(find_files([folder / "hostile"], Search()))):
            if not isinstance(item, FoundFile):
                # A remark on a file that the walk itself left out.
                for outcome in outcomes.values():
                    if outcome.name == item.origin:
                        outcome.notes.append(item.message)
                continue
            outcome = outcomes[os.fsencode(item.path)]
            started = time.perf_counter()
            async for _, frame in pool.read([Job(item.path, item.inside, item.size)]):
                take(outcome, frame)
            outcome.seconds = time.perf_counter() - started
    return list(outcomes.values())


def take(outcome: Outcome, frame: Mapping[str, Any]) -> None:
    """One answer."""
    match frame["kind"]:
        case "document":
            outcome.texts.append(frame["content"])
        case "problem":
            outcome.problems.append(frame["message"])
        case "note" | "skipped":
            outcome.notes.append(frame["message"])


async def together(folder: Path, manifest: Mapping[str, Any], config: DeploymentConfig) -> dict[str, Any]:
    """The whole with `rag.ingest`: seconds, and the files that it neither read nor named."""
    started = time.perf_counter()
    async with vpa.create_enhanced_rag_system(config) as rag:
        report = await rag.ingest(folder / "hostile", folder / "honest")
        seconds = time.perf_counter() - started
        sources = {document.metadata["source"] for document in await rag.list_documents(limit=1_000_000)}
        again = await rag.ingest(folder / "hostile", folder / "honest")
    met = sources | {one.origin for one in (*report.failed, *report.notes, *report.skipped)}
    honest = [one["path"] for one in manifest["honest"] if f"honest/{Path(one['path']).name}" not in sources]
    return {
        "seconds": seconds,
        "again_seconds": again.seconds,
        "files": report.files,
        "documents": report.documents,
        "failed": len(report.failed),
        "notes": len(report.notes),
        "skipped": len(report.skipped),
        "silent": silent(manifest, folder, met),
        "honest_missing": honest,
        "written_again": again.documents,
    }


def silent(manifest: Mapping[str, Any], folder: Path, met: set[str]) -> list[str]:
    """Files of which neither a document nor a remark is among `met`."""
    return [one["path"] for one in manifest["hostile"] if not is_met(readable(one["path"]), folder, met)]


def not_named(manifest: Mapping[str, Any], folder: Path, named: set[str]) -> list[str]:
    """Files that must be refused or remarked on, and are not."""
    wanted = (one["path"] for one in manifest["hostile"] if one["expected"] == "named")
    return [path for path in wanted if not is_met(readable(path), folder, named)]


def not_read(manifest: Mapping[str, Any], folder: Path, sources: set[str]) -> list[str]:
    """Files that must be read, and are not."""
    wanted = (one["path"] for one in manifest["hostile"] if one["expected"] == "read")
    return [path for path in wanted if not is_met(readable(path), folder, sources)]


def is_met(path: str, folder: Path, met: set[str]) -> bool:
    """Whether a document or a remark is of that file; a name may be followed by the way inside, or a line."""
    names = (path, "hostile/" + path.removeprefix(f"{folder}/hostile/"))
    return any(
        one in names or one.startswith(tuple(f"{name}{sign}" for name in names for sign in "/:#")) for one in met
    )


def show(outcomes: Sequence[Outcome]) -> None:
    """A table by kind."""
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.kind].append(outcome)
    print(f"\n{'kind':<18} {'files':>6} {'read':>6} {'named':>6} {'worst s':>8}  worst file")
    for kind, some in sorted(kinds.items()):
        worst = max(some, key=lambda one: one.seconds)
        read = sum(bool(one.texts) for one in some)
        named = sum(bool(one.problems or one.notes) for one in some)
        name = os.path.basename(worst.name)[:40]
        print(f"{kind:<18} {len(some):>6} {read:>6} {named:>6} {worst.seconds:>8.1f}  {name!r}")


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--memory", type=int, default=1024, help="megabytes")
    parser.add_argument("--samples", action="store_true", help="print a piece of what was read of each file")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    manifest = json.loads((folder / "manifest.json").read_text())
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}"
    )
    limits = Limits(seconds=arguments.seconds, memory_bytes=arguments.memory << 20)
    outcomes = await one_by_one(folder, manifest, limits)
    show(outcomes)
    if arguments.samples:
        for one in outcomes:
            remarks = "; ".join((*one.problems[:2], *one.notes[:2]))
            piece = repr(one.texts[0][:100]) if one.texts else "-"
            print(
                f"{one.kind}/{os.path.basename(one.name)[:50]!r} {one.seconds:.1f} s\n    {piece}\n    {remarks[:200]}"
            )
    faults = [f"{one.kind}/{os.path.basename(one.name)[:60]!r}: {one.fault}" for one in outcomes if one.fault]
    late = [one for one in outcomes if one.seconds > arguments.seconds + GRACE_S]
    faults += [f"{one.kind}/{os.path.basename(one.name)[:60]!r}: took {one.seconds:.1f} s" for one in late]
    with tempfile.TemporaryDirectory(prefix="vpa-hostile-") as place:
        whole = await together(folder, manifest, settings(arguments.seconds, arguments.memory, place))
    print("\nrag.ingest:", {key: value for key, value in whole.items() if not isinstance(value, list)})
    faults += [f"{readable(path)!r}: neither read nor named by rag.ingest" for path in whole["silent"]]
    faults += [f"{path}: an honest file was not read" for path in whole["honest_missing"]]
    print(f"\n{len(outcomes)} files, {len(faults)} faults")
    for fault in faults:
        print("  " + fault)
    if arguments.json is not None:
        rows = [{"name": one.name, "kind": one.kind, "seconds": one.seconds, "fault": one.fault} for one in outcomes]
        arguments.json.write_text(json.dumps({"files": rows, "whole": whole}, indent=1))
    return bool(faults)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
