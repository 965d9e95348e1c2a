"""Draws what `embedded.py` measured: recall against latency, time until ready, memory, cost as n grows. Writes SVG
beside the JSON.

Needs matplotlib. `python pictures.py` reads every JSON of docs/benchmarks.
"""

from __future__ import annotations

import json
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from vectors import ROOT

FOLDER = ROOT / "docs" / "benchmarks"
COLOURS = {
    "vpa": "#0b6e4f",
    "vpa, NumPy alone, recall 0.99": "#3fae6a",
    "vpa, exact": "#a3d9a5",
    "vpa, int8 in memory, originals on disk": "#0a9396",
    "vpa, int4 in memory, originals on disk": "#5cc8c8",
    "vpa, binary in memory, originals on disk": "#b5e3e3",
    "zvec (HNSW)": "#d62828",
    "qdrant-edge (HNSW)": "#b5179e",
    "chromadb in process (HNSW)": "#f77f00",
    "lancedb (IVF_HNSW_SQ)": "#3a86ff",
    "milvus-lite (HNSW)": "#8338ec",
    "qdrant-client, local mode": "#e09fff",
    "sqlite-vec": "#003049",
    "LangChain InMemoryVectorStore": "#99582a",
    "faiss HNSW32, bare, ef 256": "#6c757d",
    "usearch HNSW bf16, bare": "#adb5bd",
}
OTHER = "#495057"


def stored(kind: str) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Results by rows and dimension, without the engines that failed."""
    found = {}
    for path in sorted(FOLDER.glob(f"{kind}-*.json")):
        whole = json.loads(path.read_text())
        found[whole["rows"], whole["dimension"]] = [one for one in whole["results"] if "error" not in one]
    return found


class Sheet:
    """One picture; an engine has the same colour on all."""

    def __init__(self, title: str, x: str, y: str) -> None:
        self.figure, self.axes = plt.subplots(figsize=(9.5, 4.8), layout="constrained")
        self.axes.set_title(title, loc="left")
        self.axes.set_xlabel(x)
        self.axes.set_ylabel(y)
        self.axes.grid(alpha=0.25, which="both")

    def save(self, name: str) -> None:
        self.figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
        plt.close(self.figure)


def draw_curves() -> None:
    for (rows, dimension), results in stored("curves").items():
        sheet = Sheet(
            f"Recall against latency, {rows:,} x {dimension}, top 10", "median milliseconds (log)", "recall@10"
        )
        for one in results:
            points = sorted((point["p50_ms"], point["recall"]) for point in one["points"])
            sheet.axes.plot(
                *zip(*points, strict=True), marker="o", label=one["engine"], color=COLOURS.get(one["engine"], OTHER)
            )
        sheet.axes.set_xscale("log")
        sheet.figure.legend(fontsize=8, loc="outside right center")
        sheet.save(f"recall-latency-{rows}x{dimension}")


def draw_bars(results: list[dict[str, Any]], field: str, title: str, unit: str, name: str) -> None:
    shown = [one for one in results if one.get(field)]
    sheet = Sheet(title, unit, "")
    names = [one["engine"] for one in shown]
    values = [one[field] for one in shown]
    bars = sheet.axes.barh(names, values, color=[COLOURS.get(one, OTHER) for one in names])
    sheet.axes.bar_label(bars, fmt="{:,.2f}", padding=3, fontsize=8)
    sheet.axes.set_xscale("log")
    sheet.axes.invert_yaxis()
    sheet.save(name)


def draw_growth() -> None:
    every = {rows: results for (rows, dimension), results in stored("embedded").items() if dimension == 384}
    fields = (
        ("p50_ms", "Search, top 10, 384 dimensions", "median milliseconds (log)", "growth-search"),
        ("ready_s", "Time until ready", "seconds (log)", "growth-ready"),
    )
    for field, title, unit, name in fields:
        sheet = Sheet(title, "records (log)", unit)
        for engine in dict.fromkeys(one["engine"] for results in every.values() for one in results if not one["bare"]):
            points = []
            for rows, results in sorted(every.items()):
                points += [
                    (rows, one["search"]["p50_ms"] if field == "p50_ms" else rows / one["ready_per_s"])
                    for one in results
                    if one["engine"] == engine
                ]
            sheet.axes.plot(*zip(*points, strict=True), marker="o", label=engine, color=COLOURS.get(engine, OTHER))
        sheet.axes.set_xscale("log")
        sheet.axes.set_yscale("log")
        sheet.figure.legend(fontsize=7, loc="outside right center")
        sheet.save(name)


def main() -> None:
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "vpa", "font.size": 10, "svg.fonttype": "none"})
    draw_curves()
    for (rows, dimension), results in stored("embedded").items():
        raw = rows * dimension * 4 / 1e6
        filled = [{**one, "ready_s": rows / one["ready_per_s"], "memory": one["grown_mb"] / raw} for one in results]
        size = f"{rows}x{dimension}"
        draw_bars(
            [one for one in filled if not one["bare"]],
            "ready_s",
            f"Time until ready, {rows:,} x {dimension}",
            "seconds (log)",
            f"ready-{size}",
        )
        draw_bars(
            [one for one in filled if not one["bare"]],
            "memory",
            f"Memory beyond the caller's array, {rows:,} x {dimension}",
            "times the raw vectors (log)",
            f"memory-{size}",
        )
    draw_growth()


if __name__ == "__main__":
    main()
