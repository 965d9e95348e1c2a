"""A writing process is killed with SIGKILL; whatever it had acknowledged is there afterwards, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crash.workload import Workload, stored_state
from vpa.client.connect import connect

PROGRAM = Path(__file__).with_name("workload.py")


async def _kill_once(directory: Path, seed: int) -> int:
    rng = random.Random(seed)
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(directory), str(seed)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(rng.uniform(0.0, 0.4))
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    acknowledged = max(int(line) for line in lines if line.endswith("\n"))

    workload = Workload(seed)
    for _ in range(acknowledged):
        workload.next()
    after_acknowledged = workload.state()
    workload.next()
    with_one_in_flight = workload.state()
    async with connect(f"mock://{directory}") as db:
        docs = await db.collection("docs")
        found = await stored_state(docs)
    assert found in (after_acknowledged, with_one_in_flight)
    return acknowledged


@pytest.mark.parametrize("seed", range(4))
async def test_no_acknowledged_write_is_lost_and_none_is_invented(tmp_path: Path, seed: int) -> None:
    assert await _kill_once(tmp_path / "store", seed) > 0


@pytest.mark.long
async def test_five_hundred_kills(tmp_path: Path) -> None:
    total = 0
    for seed in range(100, 600):
        total += await _kill_once(tmp_path / f"store-{seed}", seed)
    sys.stderr.write(f"\n500 kills, {total} acknowledged operations, 0 lost, 0 invented\n")
