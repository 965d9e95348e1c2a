"""The demo with files: a folder of many formats about one harbour, asked questions, changed, and read again.

    python scripts/demo_files.py [--folder .vpa-demo/files] [--store .vpa-demo/files-store]

Makes the folder (texts are in `demo_harbour.py`), then runs what a person would type: `vpa ingest`, `vpa search` with
five questions, `vpa ingest` again, and once more with `--sync` after one file was changed and another removed. The
model is MiniLM where it is installed (the extra `minilm`), else the lexical embedder. Formats need the extra `ingest`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from demo_harbour import write_files
from vpa.main import main as vpa

QUESTIONS = (
    "why are spring tides higher than neap tides",
    "how often does the lamp of the lighthouse flash",
    "what does a yacht of eleven metres pay for a night",
    "who decided to dredge the northern channel",
    "how deep is the water at the fish quay",
)


def run(*words: str) -> int:
    """Show a command and run it, as the program `vpa` does."""
    print("\n$ vpa " + " ".join(f'"{word}"' if " " in word else word for word in words), flush=True)
    return vpa(words)


def answers(store: str, questions: Sequence[str]) -> None:
    """The best answer to each, with the document and the place in it."""
    for question in questions:
        run("search", "--path", store, "--top-k", "1", question)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(".vpa-demo/files"), help="made anew (%(default)s)")
    parser.add_argument("--store", default=".vpa-demo/files-store", help="made anew (%(default)s)")
    arguments = parser.parse_args()
    folder, store = arguments.folder, arguments.store
    for old in (folder, Path(store)):
        shutil.rmtree(old, ignore_errors=True)
    names = write_files(folder)
    print(f"{len(names)} files in {folder}: {', '.join(names)}")
    if status := run("ingest", "--path", store, str(folder)):
        return status
    answers(store, QUESTIONS)
    print("\nThe same again: nothing changed, so nothing is read.")
    run("ingest", "--path", store, str(folder))
    tides = folder / "tides.md"
    tides.write_text(
        tides.read_text("utf-8") + "\n## Surges\n\nA storm from the north can lift the water by two metres.\n"
    )
    (folder / "notes" / "fog.txt").unlink()
    print("\ntides.md has a new section, and notes/fog.txt was deleted.")
    run("ingest", "--path", store, "--sync", str(folder))
    answers(store, ["what lifts the water by two metres"])
    print(f"\nThe store stays in {store}; ask it yourself:")
    print(f'  .venv/bin/vpa search --path {store} "when does the ferry sail"')
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
