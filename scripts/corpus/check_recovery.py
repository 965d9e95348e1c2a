"""How much of well-formed files vpa reads: every file through ReaderPool, its words against those of a second parser.

`python check_recovery.py FOLDER [--worst 3] [--only pdf,docx] [--json FILE]`. FOLDER is what well_formed.py made, or
any other. Recall is the share of the words (three letters and more, as often as they occur) of the second parser that
ours has. Goal: every file is read, and at least 98 % of the words of each format.
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from second_parsers import convert, recall, text_of, words

from vpa.ingest.contract import Limits
from vpa.ingest.finding import FoundFile, Search, find_files
from vpa.ingest.pool import Job, ReaderPool

GOAL = 0.98
# What is said of a file in which there is nothing to read.
EMPTY = ("is empty", "holds no text")
# Of fewer words a share says nothing.
FEWEST = 5


@dataclass(slots=True)
class Recovered:
    """What came of a file; `share` is None where there is nothing to compare with."""

    path: Path
    texts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    is_empty: bool = False
    truth_words: int = 0
    share: float | None = None
    seconds: float = 0.0
    missing: dict[str, int] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Whether its text came; of a file that was told to have none, whether the second parser finds none either."""
        return bool(self.texts) or (self.is_empty and not self.problems and self.truth_words < FEWEST)

    @property
    def ending(self) -> str:
        """As in the tables."""
        return self.path.suffix.lower().lstrip(".")


async def read(folder: Path, endings: Sequence[str]) -> list[Recovered]:
    """Every file, by vpa."""
    found = [
        one
        for one in find_files([folder], Search(hidden=True, ignore_files=False))
        if isinstance(one, FoundFile) and (not endings or Path(one.path).suffix.lower().lstrip(".") in endings)
    ]
    result = []
    async with ReaderPool(Limits(), size=1) as pool:
        for one in found:
            recovered = Recovered(Path(one.path))
            started = time.perf_counter()
            async for _, frame in pool.read([Job(one.path, one.inside, one.size)]):
                if frame["kind"] == "document":
                    recovered.texts += (frame["title"], frame["content"])
                elif frame["kind"] in ("problem", "skipped"):
                    recovered.problems.append(frame["message"])
                elif frame["kind"] == "note" and frame["message"] in EMPTY:
                    recovered.is_empty = True
            recovered.seconds = time.perf_counter() - started
            result.append(recovered)
    return result


def compare(files: Sequence[Recovered], place: Path) -> None:
    """Fill in the shares."""
    converted = convert([one.path for one in files], place)
    for one in files:
        text = text_of(one.path, converted)
        truth = words(text or "")
        one.truth_words = sum(truth.values())
        if text is None or one.truth_words < FEWEST:
            continue
        ours = words("\n".join(one.texts))
        one.share = recall(truth, ours)
        one.missing = dict((truth - ours).most_common(12))


def show(files: Sequence[Recovered], worst: int) -> bool:
    """A table by ending; whether the goal is met."""
    groups: dict[str, list[Recovered]] = defaultdict(list)
    for one in files:
        groups[one.ending].append(one)
    is_met = True
    print(
        f"\n{'format':<8} {'files':>6} {'read':>6} {'compared':>9} {'mean':>8} {'words':>8} {'lowest':>8}  worst file"
    )
    for ending, some in sorted(groups.items()):
        compared = sorted((one for one in some if one.share is not None), key=lambda one: one.share or 0)
        shares = [one.share or 0 for one in compared]
        total = sum(one.truth_words for one in compared)
        mean = sum(shares) / len(shares) if shares else 1.0
        pooled = sum((one.share or 0) * one.truth_words for one in compared) / total if total else 1.0
        number = sum(one.is_read for one in some)
        is_met &= number == len(some) and mean >= GOAL
        lowest = f"{shares[0]:8.4f}  {compared[0].path.name[:50]}" if shares else f"{'-':>8}"
        print(f"{ending:<8} {len(some):>6} {number:>6} {len(compared):>9} {mean:>8.4f} {pooled:>8.4f} {lowest}")
        for one in compared[:worst]:
            if (one.share or 0) < GOAL:
                print(f"    {one.share:.4f} of {one.truth_words} {one.path}: {one.missing}")
    for one in files:
        if not one.is_read:
            print(f"  not read: {one.path}: {one.problems[:2]}")
    return is_met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worst", type=int, default=3, help="files below the goal to show for each format")
    parser.add_argument("--only", default="", help="endings, with commas between")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    started = time.perf_counter()
    files = asyncio.run(read(arguments.folder.resolve(), [one for one in arguments.only.split(",") if one]))
    print(f"{len(files)} files read in {time.perf_counter() - started:.1f} s by one process")
    with tempfile.TemporaryDirectory(prefix="vpa-recovery-") as place:
        compare(files, Path(place))
    is_met = show(files, arguments.worst)
    if arguments.json is not None:
        rows = [
            {"path": str(one.path), "share": one.share, "words": one.truth_words, "problems": one.problems}
            for one in files
        ]
        arguments.json.write_text(json.dumps(rows, indent=1))
    return not is_met


if __name__ == "__main__":
    raise SystemExit(main())
