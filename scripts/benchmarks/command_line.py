"""How long commands take as whole processes: `vpa --help`, `import vpa`, and `vpa search` on the demo's store.

Run `make demo` first; without its store a small one is made from the first 200 abstracts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import table

ROOT = Path(__file__).resolve().parents[2]
RUNS = 7


def seconds(command: list[str]) -> float:
    """Median of whole runs, the first not counted."""
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    """Print the table."""
    vpa = [sys.executable, "-m", "vpa.main"]
    store, name = ROOT / ".vpa-demo", "the demo's store"
    with tempfile.TemporaryDirectory() as directory:
        if not store.is_dir():
            import lzma

            store, name = Path(directory) / "store", "a store of 200 abstracts"
            with lzma.open(ROOT / "data" / "cranfield" / "corpus.jsonl.xz", "rb") as lines:
                (Path(directory) / "some.jsonl").write_bytes(
                    b"".join(line for _, line in zip(range(200), lines, strict=False))
                )
            subprocess.run(
                [*vpa, "ingest", "--path", str(store), f"{directory}/some.jsonl"], check=True, capture_output=True
            )
        rows = [
            ("python -c 'pass'", f"{seconds([sys.executable, '-c', 'pass']):.3f} s"),
            ("import vpa", f"{seconds([sys.executable, '-c', 'import vpa']):.3f} s  (goal < 0.3 s)"),
            ("vpa --help", f"{seconds([*vpa, '--help']):.3f} s  (goal < 0.5 s)"),
            (
                f"vpa search on {name}",
                f"{seconds([*vpa, 'search', '--path', str(store), 'heat transfer']):.3f} s  (goal < 1 s)",
            ),
        ]
    table(f"process start to end, median of {RUNS}", rows)


if __name__ == "__main__":
    main()
