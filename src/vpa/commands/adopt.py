"""`vpa adopt`: says which model the vectors of a collection are from, where nothing says it yet."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from vpa.base.records import EmbeddingIdentity
from vpa.client.manager import VectorDatabaseManager
from vpa.commands.common import nothing_stored, print_json, print_line, settings
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.catalog import load_embedder


def run(args: Namespace) -> int:
    """Exit status 3 where the collection has another model, or another dimension."""
    config = settings(args)
    model = asyncio.run(_adopt(args, config))
    if args.json:
        print_json({"collection": config.vector_db_index_name, "embedding": str(model)})
    else:
        print_line(f"{config.vector_db_index_name} is searched with {model} from now on")
    return 0


async def _adopt(args: Namespace, config: DeploymentConfig) -> EmbeddingIdentity:
    async with VectorDatabaseManager(config.store) as manager:
        name, names = config.vector_db_index_name, await manager.list_collections()
        if name not in names:
            raise nothing_stored(name, names)
        collection = await manager.collection(name)
        identity = await identity_of(args.embedding, config)
        await collection.adopt_embedding(identity, vouched=True)
    return identity


async def identity_of(model: str | None, config: DeploymentConfig) -> EmbeddingIdentity:
    """What a model is called in a collection; by default the configured one. Loads it."""
    options = config.embedding
    embedder = BatchedEmbedder(
        lambda: load_embedder(model or options.model, path=options.model_path), batch_size=options.batch_size
    )
    try:
        return await embedder.open()
    finally:
        await embedder.close()
