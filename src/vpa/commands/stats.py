"""`vpa stats`: what is stored."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import Any

from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import nothing_stored, print_json, print_table, reading, scope, settings
from vpa.rag.chunks import first_chunks


def run(args: Namespace) -> int:
    """Needs no model: the store is opened as it is."""
    facts = asyncio.run(_facts(args))
    if args.json:
        print_json(facts)
    else:
        print_table(["", "value"], [(key, value) for key, value in facts.items() if not isinstance(value, dict)])
        fields = [
            (path, ", ".join(f"{kind} ({n})" for kind, n in kinds.items())) for path, kinds in facts["fields"].items()
        ]
        if fields:
            print_table(["metadata field", "types (chunks)"], fields)
        settings = facts["store"].get("settings")
        if settings:
            print_table(["the store's settings", "value"], list(settings.items()))
    return 0


def _recall(promise: dict[str, Any] | None) -> str | None:
    """What was promised and found, in a line."""
    if promise is None:
        return None
    found = ", ".join(f"{share:.4f} ({name})" for name, share in promise["measured"].items())
    missed = "" if promise["kept"] is not False else f"; missed: {', '.join(promise['missed'])}"
    return f"{promise['promised']:g} promised, {found or 'not measured yet'}{missed}"


async def _facts(args: Namespace) -> dict[str, Any]:
    config = settings(args)
    async with VectorDatabaseManager(reading(config)) as manager:
        name = config.vector_db_index_name
        names = await manager.list_collections()
        if name not in names:
            raise nothing_stored(name, names)
        collection = await manager.collection(name)
        info = collection.info
        store = (await manager.get_statistics())["collections"][name]
        return {
            "provider": str(manager.config.provider),
            "path": manager.config.path,
            "collection": name,
            "documents": await collection.count(filter=first_chunks(), scope=scope(args)),
            "chunks": await collection.count(scope=scope(args)),
            "dimension": info.dimension,
            "metric": str(info.metric),
            "embedding": str(info.embedding) if info.embedding else None,
            "recall": _recall(store.get("promise")),
            "fields": await collection.fields(scope=scope(args)),
            "store": {key: value for key, value in store.items() if key not in info.to_json()},
        }
