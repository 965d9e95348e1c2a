"""`vpa explain`: what the store does with a filter, and what is left to this library."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from typing import Any

from vpa.base.answers import Explanation
from vpa.base.records import CollectionInfo, Metric
from vpa.client.describe import explain
from vpa.commands.common import parse_filter, print_json, print_table, settings
from vpa.filters import as_filter, normalize
from vpa.stores.contract import VectorStore
from vpa.stores.registry import create_store


def run(args: Namespace) -> int:
    """Opens nothing: the division of a filter does not depend on the data."""
    facts = asyncio.run(_explain(args))
    if args.json:
        print_json(facts)
        return 0
    rows = [
        ("provider", facts["provider"]),
        ("filter", _short(facts["filter"])),
        ("evaluated by the store", _short(facts["native"])),
        ("left to this library", "nothing" if facts["complete"] else _short(facts["residual"])),
        ("conditions", f"{facts['leaves']['native']} in the store, {facts['leaves']['residual']} here"),
    ]
    print_table(["", "value"], rows)
    return 0


async def _explain(args: Namespace) -> Explanation:
    node = normalize(as_filter(parse_filter(args.filter)))
    config = settings(args)
    options = config.store
    store: VectorStore = create_store(options)
    info = CollectionInfo(
        name=options.index_name, dimension=options.dimension or 384, metric=Metric.parse(options.metric)
    )
    return explain(store, info, node)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
