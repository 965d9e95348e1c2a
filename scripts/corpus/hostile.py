"""Makes a folder of hostile and broken files, always the same: what a reader of files must survive.

`python hostile.py FOLDER [--quick]`. FOLDER/hostile/KIND/… are the files, FOLDER/honest/… some that are well formed,
FOLDER/outside/… what links and entities lead to and must not be read, FOLDER/manifest.json says what is what.
`--quick` leaves out those that take seconds or many megabytes. The whole has less than 200 MB on disk.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import samples
from case import SECRET, Case
from hostile_archives import archives, bombs
from hostile_damage import damaged, empty, wrong_names
from hostile_documents import office, pdfs, pictures
from hostile_names import names, sizes, special
from hostile_texts import depth, encodings, mail, subtitles, tables

from vpa.ingest.formats import known_endings

HONEST = 5


def cases(folder: Path) -> Iterator[Case]:
    """All of them."""
    yield from damaged()
    yield from empty(known_endings())
    yield from wrong_names()
    yield from encodings()
    yield from depth()
    yield from tables()
    yield from mail()
    yield from subtitles()
    yield from archives()
    yield from pdfs()
    yield from office(folder / "outside" / "secret.txt")
    yield from pictures()
    yield from names()
    yield from special(folder / "outside")
    yield from bombs()
    yield from sizes()


def make(folder: Path, *, quick: bool = False) -> dict[str, list[dict[str, str]]]:
    """Write everything; the manifest that is written too."""
    folder = folder.resolve()
    (folder / "outside").mkdir(parents=True)
    (folder / "outside" / "secret.txt").write_text(SECRET + "\n")
    (folder / "honest").mkdir()
    honest = []
    for number in range(HONEST):
        path = folder / "honest" / f"honest-{number}.md"
        path.write_bytes(samples.sample("md", 100 + number))
        honest.append({"path": str(path)})
    hostile = []
    for case in cases(folder):
        if quick and case.is_slow:
            continue
        path = case.write(folder / "hostile")
        hostile.append({"path": os.fspath(path), "kind": case.kind, "expected": case.expected})
    manifest = {"hostile": hostile, "honest": honest}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    manifest = make(arguments.folder, quick=arguments.quick)
    on_disk = sum(
        os.lstat(os.path.join(top, name)).st_blocks * 512
        for top, _, files in os.walk(arguments.folder)
        for name in files
    )
    for kind, count in sorted(Counter(one["kind"] for one in manifest["hostile"]).items()):
        print(f"  {kind:<18} {count:>5}")
    print(f"{len(manifest['hostile'])} files, {on_disk / 1e6:.0f} MB on disk")


if __name__ == "__main__":
    main()
