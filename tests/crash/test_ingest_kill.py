"""An ingest that is killed at random: the next run completes it, every file exactly once and none of them half."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vpa
from vpa.config.settings import DeploymentConfig

KILLS = 4
KILLS_AT_LENGTH = 50
FILES = 300


def texts_of(round_: int) -> dict[str, str]:
    """By name, the text of each file in a round: a third of them changes from one to the next."""
    texts = {}
    for number in range(FILES):
        edition = round_ if number % 3 == 0 else 0
        lines = [
            f"File {number} edition {edition} line {line} about tides and ships." for line in range(1 + number % 90)
        ]
        texts[f"f{number:03}.txt"] = "\n".join(lines)
    return texts


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)
    rows = [json.dumps({"id": f"row{n}", "text": text[:200]}) for n, text in enumerate(texts.values())]
    (folder / "rows.jsonl").write_text("\n".join(rows))


def started(folder: Path, store: Path) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": ":".join(sys.path), "VPA_EMBEDDING_MODEL": "hashing", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "vpa", "ingest", str(folder), "--path", str(store), "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def check(folder: Path, store: Path, texts: dict[str, str]) -> None:
    config = DeploymentConfig(vector_db_path=str(store), embedding_model="hashing")
    async with vpa.create_enhanced_rag_system(config) as rag:
        summaries = await rag.list_documents()
        documents = [await rag.get_document(summary.document_id) for summary in summaries]
        place = await rag._of(None)
        chunks = await place.count()
    found = {document.document_id: document.content for document in documents}
    wanted = {f"{folder.name}/{name}": text for name, text in texts.items()}
    wanted |= {f"row{n}": text[:200] for n, text in enumerate(texts.values())}
    assert found == wanted
    # No chunk of an older version is left behind.
    assert chunks == sum(document.chunk_count for document in documents)


async def kill_and_go_on(base: Path, *, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    folder, store = base / "folder", base / "store"
    folder.mkdir()
    texts = texts_of(0)
    write(folder, texts)
    for round_ in range(1, kills + 1):
        process = started(folder, store)
        time.sleep(rng.uniform(0.5, 4.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if round_ % 2 == 0:
            texts = texts_of(round_)
            write(folder, texts)
    process = started(folder, store)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()
    report = json.loads(out)
    assert report["failed"] == []
    await check(folder, store, texts)
    out, _ = started(folder, store).communicate(timeout=300)
    assert json.loads(out)["unchanged"] == FILES + 1


async def test_a_killed_ingest_is_completed_by_the_next(tmp_path: Path) -> None:
    await kill_and_go_on(tmp_path, kills=KILLS, seed=1)


@pytest.mark.long
async def test_fifty_kills(tmp_path: Path) -> None:
    await kill_and_go_on(tmp_path, kills=KILLS_AT_LENGTH, seed=2)
    print(f"\n{KILLS_AT_LENGTH} kills: every file exactly once, none half")
