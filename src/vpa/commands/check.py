"""`vpa check URL`: whether every way to a collection's records sees the same records."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import Final

from vpa.commands.common import print_json, print_line
from vpa.commands.places import place, progress_bar
from vpa.trust.check import CheckReport, check

_SHOWN: Final = 100  # Ids shown; the JSON report has all of them.


def run(args: Namespace) -> int:
    """Exit status 1 if something is apart, after `--repair` if something still is."""
    report = asyncio.run(_check(args))
    if args.json:
        print_json(report.to_json())
    else:
        _show(report, repaired=args.repair)
    return 0 if report.ok else 1


async def _check(args: Namespace) -> CheckReport:
    with progress_bar(quiet=args.json) as advance:
        async with place(args.url, "VPA_VECTOR_DB_API_KEY", timeout_s=args.timeout, reads=not args.repair) as manager:
            return await check(
                await manager.collection(args.collection),
                repair=args.repair,
                sample=args.sample or None,
                progress=advance,
            )


def _show(report: CheckReport, *, repaired: bool) -> None:
    for one in report.repaired[:_SHOWN]:
        print_line(f"written again: {one}")
    for one in report.apart[:_SHOWN]:
        print_line(str(one))
    for count in report.counts:
        print_line(
            f"scope {count.scope.tenant or '-'}/{count.scope.namespace or '-'}: count says {count.counted:,}, "
            f"{count.records:,} records exist"
        )
    if report.searched < report.records:
        print_line(
            f"a sample: {report.searched:,} of {report.records:,} records were searched for; --sample 0 takes all"
        )
    if report.undecided:
        print_line(f"{report.undecided:,} records have too many others as near as themselves: no search can tell")
    if report.written_to:
        print_line("others wrote meanwhile: what came or went was left out, and some counts were not compared")
    if report.ok:
        print_line(
            f"{report.records:,} records in {report.scopes} scopes, the same by {', '.join(report.views)} and count"
        )
        return
    rewrite = report.apart and not repaired
    advice = (
        "vpa check --repair writes these records again"
        if rewrite
        else "vpa migrate copies the collection into a new one, whose indexes are whole"
    )
    print_line(f"{len(report.apart):,} of {report.records:,} records are apart; {advice}")
