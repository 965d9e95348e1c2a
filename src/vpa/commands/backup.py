"""`vpa backup`: a verified copy of an embedded store, also while another process writes to it."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from dataclasses import asdict

from vpa.commands.common import print_json, print_line
from vpa.trust.backup import backup


def run(args: Namespace) -> int:
    """Exit status 0 only for a copy that was read back and verified."""
    done = asyncio.run(backup(args.directory, args.target))
    if args.json:
        print_json({"path": done.path, "collections": {name: asdict(one) for name, one in done.collections.items()}})
        return 0
    for name, one in done.collections.items():
        print_line(f"{name}: {one.records:,} records, {one.size_bytes:,} bytes")
    print_line(f"{len(done.collections)} collections copied to {done.path}, read back and verified")
    return 0
