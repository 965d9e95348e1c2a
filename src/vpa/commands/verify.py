"""`vpa verify`: whether two collections hold the same."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from vpa.commands.common import print_json, print_line
from vpa.commands.places import place, progress_bar
from vpa.transfer.verify import Verification, verify


def run(args: Namespace) -> int:
    """Exit status 1 if they differ."""
    report = asyncio.run(_compare(args))
    if args.json:
        print_json(report.to_json())
    elif report.ok:
        print_line(
            f"equal: {report.records:,} records in {report.scopes} scopes, {report.agreeing_queries} of "
            f"{report.queries} searches agree"
        )
    else:
        for line in [*report.differences, *report.examples]:
            print_line(line)
    return 0 if report.ok else 1


async def _compare(args: Namespace) -> Verification:
    with progress_bar(quiet=args.json) as advance:
        async with (
            place(args.source, "VPA_FROM_API_KEY", timeout_s=args.timeout, reads=True) as left,
            place(args.target, "VPA_TO_API_KEY", timeout_s=args.timeout, reads=True) as right,
        ):
            return await verify(
                await left.collection(args.collection),
                await right.collection(args.to_collection or args.collection),
                progress=lambda count: advance("read", count),
            )
