"""`vpa stats`: what is stored."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import Any

from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import nothing_stored, print_json, print_table, reading, scope, scope_text, settings
from vpa.commands.recall import largest_scope, promise_of, promise_rows
from vpa.rag.chunks import first_chunks


def run(args: Namespace) -> int:
    """Needs no model: the store is opened as it is."""
    facts = asyncio.run(_facts(args))
    if args.json:
        print_json(facts)
    else:
        print_table(["", "value"], _rows(facts))
        fields = [
            (path, ", ".join(f"{kind} ({n})" for kind, n in kinds.items())) for path, kinds in facts["fields"].items()
        ]
        if fields:
            print_table(["metadata field", "types (chunks)"], fields)
        if facts["recall"]:
            print_table(["promised recall", "value"], promise_rows(facts["recall"]))
        settings = facts["store"].get("settings")
        if settings:
            print_table(["the store's settings", "value"], list(settings.items()))
    return 0


def _rows(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    """A line for each plain value; counts are of the scope, or say otherwise."""
    rows = [(key, value) for key, value in facts.items() if not isinstance(value, dict)]
    hidden = ("keywords", "recall", "records_in_all_scopes", "largest_scope")
    return [(key.replace("_", " "), value) for key, value in rows if value is not None or key not in hidden]


async def _facts(args: Namespace) -> dict[str, Any]:
    config = settings(args)
    async with VectorDatabaseManager(reading(config)) as manager:
        name = config.vector_db_index_name
        names = await manager.list_collections()
        if name not in names:
            raise nothing_stored(name, names)
        collection = await manager.collection(name)
        info, place = collection.info, scope(args)
        store = (await manager.get_statistics())["collections"][name]
        chunks = await collection.count(scope=place)
        # Where the scope is empty, another one may have been meant.
        largest = None if chunks else await largest_scope(collection)
        return {
            "provider": str(manager.config.provider),
            "path": manager.config.path,
            "collection": name,
            "scope": scope_text(place),
            "documents": await collection.count(filter=first_chunks(), scope=place),
            "chunks": chunks,
            "records_in_all_scopes": store.get("records", store.get("records_estimate")),
            "largest_scope": None if largest is None else scope_text(largest),
            "dimension": info.dimension,
            "metric": str(info.metric),
            "embedding": str(info.embedding) if info.embedding else None,
            "keywords": None if info.keywords is None else info.keywords.language,
            "recall": promise_of(store),
            "fields": await collection.fields(scope=place),
            "store": {key: value for key, value in store.items() if key not in info.to_json()},
        }
