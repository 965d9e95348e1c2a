"""The hostile files of scripts/corpus through `rag.ingest`: it ends, each is read or named, and the others are read."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

import vpa
from vpa.config.settings import DeploymentConfig

CORPUS = Path(__file__).resolve().parents[2] / "scripts" / "corpus"
# A file of the corpus that is read for ever.
ENDLESS = "hostile/office/beyond.xlsx"

pytest.importorskip("reportlab")


@pytest.fixture(scope="module")
def scripts() -> tuple[ModuleType, ModuleType]:
    sys.path.insert(0, str(CORPUS))
    try:
        import check_hostile
        import hostile
    finally:
        sys.path.remove(str(CORPUS))
    return hostile, check_hostile


async def check(folder: Path, scripts: tuple[ModuleType, ModuleType], *, quick: bool, seconds: float) -> None:
    hostile, check_hostile = scripts
    folder = folder.resolve()
    manifest = json.loads(json.dumps(hostile.make(folder, quick=quick)))
    config = DeploymentConfig(embedding_model="hashing", ingest_processes=2, ingest_seconds=seconds)
    async with vpa.create_enhanced_rag_system(config) as rag:
        report = await rag.ingest(folder / "hostile", folder / "honest")
        documents = await rag.list_documents(limit=1_000_000)
        again = await rag.ingest(folder / "hostile", folder / "honest")
    sources = {document.metadata["source"] for document in documents}
    assert {f"honest/honest-{number}.md" for number in range(hostile.HONEST)} <= sources
    named = {remark.origin for remark in (*report.failed, *report.notes, *report.skipped)}
    assert check_hostile.silent(manifest, folder, sources | named) == []
    assert check_hostile.not_named(manifest, folder, named) == []
    assert check_hostile.not_read(manifest, folder, sources) == []
    assert [one.message for one in again.failed if one.origin == ENDLESS and "as before" in one.message]
    assert again.documents == 0


async def test_hostile_files_are_read_or_named_and_cost_nothing_but_themselves(
    tmp_path: Path, scripts: tuple[ModuleType, ModuleType]
) -> None:
    started = time.monotonic()
    await check(tmp_path / "corpus", scripts, quick=True, seconds=6)
    assert time.monotonic() - started < 150, "a machine four times as slow as the one that this was made on"


@pytest.mark.long
async def test_all_hostile_files(tmp_path: Path, scripts: tuple[ModuleType, ModuleType]) -> None:
    await check(tmp_path / "corpus", scripts, quick=False, seconds=20)
