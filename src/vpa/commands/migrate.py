"""`vpa migrate`: copies a collection to another store, and proves that it arrived."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from vpa.commands.adopt import identity_of
from vpa.commands.common import parse_store_options, print_json, print_line
from vpa.commands.places import place, progress_bar
from vpa.config.settings import get_config
from vpa.transfer.migrate import Migration, migrate


def run(args: Namespace) -> int:
    """Exit status 3 if the copy is not equal: an error, never "done"."""
    done = asyncio.run(_copy(args))
    report = done.verification
    if args.json:
        print_json({"copied": done.copied, "resumed": done.resumed, "verification": report.to_json()})
        return 0
    before = f" ({done.resumed:,} before an interruption)" if done.resumed else ""
    print_line(
        f"{done.copied + done.resumed:,} records{before} in {report.scopes} scopes copied and verified: counts, ids, "
        "metadata and "
        f"vectors are equal, {report.agreeing_queries} of {report.queries} searches agree"
    )
    return 0


async def _copy(args: Namespace) -> Migration:
    embedding = await identity_of(args.embedding, get_config(None)) if args.embedding else None
    with progress_bar(quiet=args.json) as advance:
        async with (
            place(args.source, "VPA_FROM_API_KEY", timeout_s=args.timeout, reads=True) as source,
            place(args.target, "VPA_TO_API_KEY", timeout_s=args.timeout) as target,
        ):
            return await migrate(
                source,
                target,
                collection=args.collection,
                to_collection=args.to_collection,
                store_options=parse_store_options(args.store_options),
                keywords=args.keywords,
                embedding=embedding,
                progress=advance,
            )
