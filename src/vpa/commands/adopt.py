"""`vpa adopt`: says which model the vectors of a collection are from, where nothing says it yet."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from vpa.base.errors import ConfigurationError
from vpa.base.records import EmbeddingIdentity
from vpa.client.manager import VectorDatabaseManager
from vpa.client.options import check_same
from vpa.commands.common import nothing_stored, print_json, print_line, settings
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.catalog import load_embedder


def run(args: Namespace) -> int:
    """Exit status 3 where the collection has another model, or another dimension."""
    config = settings(args)
    model, adopted = asyncio.run(_adopt(args, config))
    name = config.vector_db_index_name
    if args.json:
        print_json({"collection": name, "embedding": str(model), "adopted": adopted})
    elif args.dry_run:
        print_line(f"{name} would be searched with {model} from then on; nothing was changed")
    else:
        print_line(f"{name} is searched with {model} from now on" if adopted else f"{name} is of {model} already")
    return 0


async def _adopt(args: Namespace, config: DeploymentConfig) -> tuple[EmbeddingIdentity, bool]:
    """The model, and whether it was noted just now."""
    if args.embedding is None:
        raise ConfigurationError(
            "adopt needs --embedding MODEL, for example minilm: it cannot be taken back; --dry-run only looks whether "
            "it fits"
        )
    async with VectorDatabaseManager(config.store) as manager:
        name, names = config.vector_db_index_name, await manager.list_collections()
        if name not in names:
            raise nothing_stored(name, names)
        collection = await manager.collection(name)
        identity = await identity_of(args.embedding, config)
        if collection.info.embedding is not None:
            await collection.check_embedding(identity)
            return identity, False
        if args.dry_run:
            check_same(collection.info, dimension=identity.dimension, metric=None)
            return identity, False
        await collection.adopt_embedding(identity, vouched=True)
    return identity, True


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
