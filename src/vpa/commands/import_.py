"""`vpa import`: a Parquet file into a collection."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from vpa.commands.common import print_json, print_line
from vpa.commands.places import place, progress_bar
from vpa.transfer.parquet import import_parquet


def run(args: Namespace) -> int:
    """Into the collection that the file names, or another."""
    converted: list[str] = []
    count = asyncio.run(_read(args, converted))
    if args.json:
        print_json({"records": count, "conversions": converted})
    else:
        for sentence in converted:
            print_line(sentence)
        print_line(f"{count:,} records imported")
    return 0


async def _read(args: Namespace, converted: list[str]) -> int:
    with progress_bar(quiet=args.json) as advance:
        async with place(args.url, "VPA_TO_API_KEY", timeout_s=args.timeout) as manager:
            return await import_parquet(
                manager,
                args.file,
                collection=args.collection,
                metric=args.metric,
                progress=lambda count: advance("import", count),
                converted=converted.append,
            )
