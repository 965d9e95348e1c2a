"""`vpa explain`: what the store does with a filter, and what is left to this library."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from dataclasses import replace
from typing import Any, Final

from vpa.base.answers import Explanation
from vpa.base.errors import VectorDatabaseError
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.client.describe import explain
from vpa.client.manager import VectorDatabaseManager
from vpa.client.unknown import sentence
from vpa.commands.common import parse_filter, print_json, print_problem, print_table, reading, scope, settings
from vpa.config.settings import DeploymentConfig
from vpa.filters import Filter, as_filter, normalize
from vpa.stores.contract import VectorStore
from vpa.stores.registry import create_store

_PATIENCE_S: Final = 5.0  # The division is shown without the store, too.


def run(args: Namespace) -> int:
    """The division of a filter does not depend on the data; whether its fields exist does, where the store answers."""
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
        ("keyword search by", facts["keywords"]),
    ]
    rows += [("unknown field", sentence(path, near)) for path, near in facts["unknown_fields"].items()]
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
    return {**explain(store, info, node), "unknown_fields": await _unknown_fields(config, node, scope(args))}


async def _unknown_fields(config: DeploymentConfig, node: Filter, whose: Scope) -> dict[str, str | None]:
    """As `Collection.explain` tells them; none where nothing is stored yet, or where the store cannot be reached."""
    try:
        async with VectorDatabaseManager(
            replace(reading(config), max_retries=0, timeout_seconds=_PATIENCE_S)
        ) as manager:
            if config.vector_db_index_name not in await manager.list_collections():
                return {}
            unknown: dict[str, str | None] = (await manager.explain(node, scope=whose))["unknown_fields"]
            return unknown
    except VectorDatabaseError as error:
        print_problem(f"vpa: the fields of the filter were not looked for: {error}")
        return {}


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
