"""`vpa export`: a collection as a Parquet file."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from vpa.commands.common import print_json, print_line
from vpa.commands.places import place, progress_bar
from vpa.transfer.parquet import export_parquet


def run(args: Namespace) -> int:
    """Every scope of it."""
    count = asyncio.run(_write(args))
    if args.json:
        print_json({"records": count, "file": args.file})
    else:
        print_line(f"{count:,} records written to {args.file}")
    return 0


async def _write(args: Namespace) -> int:
    with progress_bar(quiet=args.json) as advance:
        async with place(args.url, "VPA_FROM_API_KEY", timeout_s=args.timeout, reads=True) as manager:
            collection = await manager.collection(args.collection)
            return await export_parquet(collection, args.file, progress=lambda count: advance("write", count))
