"""What reading files costs: documents a second, pages a second, memory, a second run, and the same files by peers.

`python ingest.py [--parts a,b,c,d] [--pdfs FOLDER] [--json FILE]`: (a) 5,000 texts of 1 KB into a durable store with
the hashing embedder, whole `rag.ingest`, median of three; (b) pages of PDFs by the reader in one process, beside bare
pypdfium2 on the same files in turn; (c) peak resident memory of the parent and of the readers at 1,000 and 20,000
files; (d) a second run over the 20,000.
`python ingest.py --peers FOLDER [--python PEERS_PYTHON] [--names …]`: vpa's readers alone, whole `rag.ingest` into
memory, LangChain, LlamaIndex and markitdown on the same files, each in a process of its own (`ingest_peers.py`) with a
time limit; words against the second parsers of scripts/corpus.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from common import machine

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
sys.path.insert(0, str(CORPUS))

FILES, MANY, FEW, RUNS, PEER_S = 5000, 20_000, 1000, 3, 900
PEERS = ("readers", "ingest", "langchain", "llamaindex", "markitdown")


def processor() -> str:
    """Its name, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    return f"{name}; {machine()}; load {os.getloadavg()[0]:.1f}"


def texts(folder: Path, count: int) -> Path:
    """So many text files of 1 KB, 500 in a folder, all different."""
    rng = random.Random(0)
    words = (CORPUS / "samples.py").read_text().split('"""')[
        0
    ] + "tide wind harbour light ship buoy depth chart rope sail"
    pool = [f"{word}{n}" for word in words.split() for n in range(40)]
    for number in range(count):
        path = folder / f"{number // 500:03}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"Record {number}. "
        while len(text) < 1000:
            text += " ".join(rng.choices(pool, k=9)) + ". "
        path.write_text(text[:1024])
    return folder


def peak_mb(pid: int | None = None) -> float:
    """The high-water mark of a process's resident memory."""
    for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def child(
    *words: object, python: str = sys.executable, script: str = __file__, limit_s: float = 3600
) -> dict[str, Any]:
    """Runs a part in a process of its own; its answer, with the peak memory of each of its own children."""
    command = [python, script, *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peaks: dict[int, float] = {}
    own = 0.0
    started = time.perf_counter()
    while process.poll() is None and time.perf_counter() - started < limit_s:
        try:
            own = max(own, peak_mb(process.pid))
            for below in psutil.Process(process.pid).children(recursive=True):
                peaks[below.pid] = max(peaks.get(below.pid, 0), peak_mb(below.pid))
        except (OSError, psutil.Error):
            pass
        time.sleep(0.1)
    if process.poll() is None:
        process.kill()
        process.communicate()
        return {"error": f"did not end within {limit_s} s", "own_mb": own}
    out, error = process.communicate()
    if process.returncode:
        return {"error": error[-600:], "own_mb": own}
    return {**json.loads(out.splitlines()[-1]), "own_mb": own, "children_mb": sorted(peaks.values(), reverse=True)}


async def whole(folder: str, store: str) -> dict[str, Any]:
    """`rag.ingest` of a folder; into memory where there is no store."""
    import vpa
    from vpa.config.settings import DeploymentConfig

    place = {"vector_db_path": store} if store != "-" else {}
    async with vpa.create_enhanced_rag_system(DeploymentConfig(embedding_model="hashing", **place)) as rag:
        started = time.perf_counter()
        report = await rag.ingest(folder)
        seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "documents": report.documents,
        "files": report.files,
        "failed": len(report.failed),
        "unchanged": report.unchanged,
    }


async def readers_only(folder: str, out: str) -> dict[str, Any]:
    """ReaderPool alone, with a process per processor; texts into a file."""
    from vpa.ingest.contract import Limits
    from vpa.ingest.finding import FoundFile, Search, find_files
    from vpa.ingest.pool import Job, ReaderPool
    from vpa.kit.cpus import available_cpus

    started = time.perf_counter()
    found = [one for one in find_files([folder], Search()) if isinstance(one, FoundFile)]
    size = available_cpus()
    with Path(out).open("w") as file:  # noqa: ASYNC230 - nothing else runs
        async with ReaderPool(Limits(), size=size) as pool:

            async def work(some: list[FoundFile]) -> None:
                jobs = [Job(one.path, one.inside, one.size) for one in some]
                async for number, frame in pool.read(jobs):
                    if frame["kind"] == "document":
                        line = {"path": some[number].path, "text": f"{frame['title']}\n{frame['content']}"}
                        file.write(json.dumps(line) + "\n")

            batches = [found[start : start + 16] for start in range(0, len(found), 16)]
            await asyncio.gather(*(work(batch) for batch in batches))
    return {"seconds": time.perf_counter() - started, "files": len(found)}


def pdf_seconds(paths: list[str], *, bare: bool) -> tuple[float, int]:
    """Processor time for all pages, and how many they are."""
    import pypdfium2

    from vpa.ingest.contract import Limits
    from vpa.ingest.reading import FileReading

    started, pages = time.process_time(), 0
    with tempfile.TemporaryDirectory() as place:
        for path in paths:
            if bare:
                with pypdfium2.PdfDocument(path) as document:
                    for page in document:
                        text_page = page.get_textpage()
                        text_page.get_text_range()
                        text_page.close()
                        page.close()
                        pages += 1
            else:
                for _ in FileReading(Limits(), "eng", place).read(Path(path), os.path.basename(path)):
                    pass
    return time.process_time() - started, pages


def pdfs(paths: list[str]) -> dict[str, Any]:
    """Both in turn, three times, medians; the first files of both sides are not counted."""
    pdf_seconds(paths[:1], bare=True)
    pdf_seconds(paths[:1], bare=False)
    bare, ours, pages = [], [], 0
    for _ in range(RUNS):
        seconds, pages = pdf_seconds(paths, bare=True)
        bare.append(seconds)
        ours.append(pdf_seconds(paths, bare=False)[0])
    bare_s, ours_s = statistics.median(bare), statistics.median(ours)
    return {"pages": pages, "bare": pages / bare_s, "ours": pages / ours_s, "ratio": ours_s / bare_s}


def part_a(place: Path) -> dict[str, Any]:
    folder, rates = texts(place / "a", FILES), []
    for run in range(RUNS):
        answer = child("--child", "whole", folder, place / f"store-{run}")
        assert answer["documents"] == FILES, answer
        rates.append(FILES / answer["seconds"])
    rate = statistics.median(rates)
    print(
        f"(a) {FILES:,} files of 1 KB: {rate:.0f} documents a second (of {[round(one) for one in rates]})", flush=True
    )
    return {"documents_per_s": rate, "runs": rates}


def part_b(place: Path, folder: Path | None) -> dict[str, Any]:
    if folder is None:
        from sample_office import sample

        folder = place / "b"
        folder.mkdir()
        for seed in range(12):
            (folder / f"{seed}.pdf").write_bytes(sample(("pdf", "columns.pdf")[seed % 2], seed))
    paths = sorted(str(path) for path in folder.rglob("*.pdf") if path.is_file())
    answer = child("--child", "pdfs", *paths)
    if "error" not in answer:
        print(
            f"(b) {len(paths)} PDFs of {answer['pages']} pages, one process: {answer['ours']:.0f} pages per second of "
            f"processor time, bare pypdfium2 {version('pypdfium2')} {answer['bare']:.0f}, ratio {answer['ratio']:.2f}",
            flush=True,
        )
    else:
        print("(b)", answer)
    return answer


def part_cd(place: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for count in (FEW, MANY):
        folder, store = texts(place / f"c{count}", count), place / f"store-c{count}"
        first = child("--child", "whole", folder, store)
        again = child("--child", "whole", folder, store)
        assert again["unchanged"] == count, again
        readers = [round(one) for one in first["children_mb"][:4]]
        print(
            f"(c) {count:,} files: peak of the parent {first['own_mb']:.0f} MB, of its readers {readers} MB, "
            f"{first['seconds']:.1f} s\n(d) again, unchanged: {again['seconds']:.2f} s, parent "
            f"{again['own_mb']:.0f} MB",
            flush=True,
        )
        result[str(count)] = {"first": first, "again": again}
    return result


def peers(folder: Path, python: str, names: list[str]) -> dict[str, Any]:
    """Each in turn."""
    from second_parsers import convert, recall, text_of, words

    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(prefix="vpa-peers-") as place:
        converted = convert(paths, Path(place) / "office")
        truths = {str(path): words(text_of(path, converted) or "") for path in paths}
        known = {path: truth for path, truth in truths.items() if truth.total() >= 5}
        total = sum(truth.total() for truth in known.values())
        print(f"{len(paths)} files, {len(known)} with a truth, {total:,} words in it")
        result: dict[str, Any] = {}
        for name in names:
            out = Path(place) / f"{name}.jsonl"
            answer = measure_peer(name, folder, out, python)
            found: dict[str, str] = {}
            for line in out.read_text().splitlines() if out.exists() else ():
                row = json.loads(line)
                found[row["path"]] = found.get(row["path"], "") + "\n" + row["text"]
            read = sum(bool(text.strip()) for text in found.values())
            shares = {path: recall(truth, words(found.get(path, ""))) for path, truth in known.items()}
            recovered = sum(shares[path] * truth.total() for path, truth in known.items()) / total
            answer.update(read=read, words=recovered, mean=statistics.mean(shares.values()), offered=len(paths))
            result[name] = answer
            show_peer(name, answer, len(paths))
    return result


def measure_peer(name: str, folder: Path, out: Path, python: str) -> dict[str, Any]:
    if name == "readers":
        return child("--child", "readers", folder, out, limit_s=PEER_S)
    if name == "ingest":
        return child("--child", "whole", folder, "-", limit_s=PEER_S)
    script = str(Path(__file__).with_name("ingest_peers.py"))
    return child(name, folder, out, python=python, script=script, limit_s=PEER_S)


def show_peer(name: str, answer: dict[str, Any], offered: int) -> None:
    if "seconds" not in answer:
        print(f"  {name:<11} {answer}", flush=True)
        return
    peak = answer["own_mb"] + sum(answer["children_mb"])
    quality = f"read {answer['read']:>5}, words {answer['words']:.3f}, mean of files {answer['mean']:.3f}"
    print(
        f"  {name:<11} {'(documents of it are not compared)' if name == 'ingest' else quality}, "
        f"{offered / answer['seconds']:7.1f} files/s, peaks of all its processes {peak:.0f} MB "
        f"(parent {answer['own_mb']:.0f}) {answer.get('versions', '')}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default="a,b,c")
    parser.add_argument("--pdfs", type=Path, default=None, help="a folder of PDFs instead of generated ones")
    parser.add_argument("--peers", type=Path, default=None, metavar="FOLDER")
    parser.add_argument("--python", default=sys.executable, help="that of the environment that the peers are in")
    parser.add_argument("--names", default=",".join(PEERS))
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, *words = given.child
        if kind == "pdfs":
            print(json.dumps(pdfs(words)))
        else:
            print(json.dumps(asyncio.run({"whole": whole, "readers": readers_only}[kind](*words))))
        return
    print(processor(), flush=True)
    result: dict[str, Any] = {"machine": processor()}
    if given.peers is not None:
        result["peers"] = peers(given.peers.resolve(), given.python, given.names.split(","))
    else:
        with tempfile.TemporaryDirectory(prefix="vpa-ingest-bench-") as directory:
            place = Path(directory)
            parts = given.parts.split(",")
            if "a" in parts:
                result["a"] = part_a(place)
            if "b" in parts:
                result["b"] = part_b(place, given.pdfs)
            if "c" in parts or "d" in parts:
                result["cd"] = part_cd(place)
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
