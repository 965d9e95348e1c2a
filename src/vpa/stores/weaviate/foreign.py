"""Collections that others made: which of their vectors, and which of their tenants, is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpa.base.errors import ConfigurationError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.stores.layout.driver import StoredRow
from vpa.stores.weaviate.convert import stored_of

_METRICS: Final = {"cosine": Metric.COSINE, "dot": Metric.DOT, "l2-squared": Metric.EUCLIDEAN}


@dataclass(frozen=True, slots=True)
class Choice:
    """`vector`: the name of the vector, "default" where it has none. `tenant` None: the collection has no tenants."""

    vector: str = "default"
    tenant: str | None = None


def choose(name: str, config: Any, options: Mapping[str, str]) -> Choice:
    """From the options `vector` and `tenant` of the URL; raises ConfigurationError where one is needed."""
    vectors = sorted(config.vector_config or ())
    wanted = options.get("vector")
    if wanted is None and len(vectors) > 1:
        raise ConfigurationError(
            f"collection {name!r} was made by others and has several vectors, {', '.join(vectors)}; name one in the "
            "URL: "
            f"weaviate://…?vector={vectors[0]}",
            collection=name,
        )
    if wanted is not None and vectors and wanted not in vectors:
        raise ConfigurationError(
            f"collection {name!r} has no vector {wanted!r}; it has: {', '.join(vectors)}", collection=name
        )
    tenant = options.get("tenant")
    by_tenant = config.multi_tenancy_config is not None and config.multi_tenancy_config.enabled
    if by_tenant and tenant is None:
        raise ConfigurationError(
            f"collection {name!r} was made by others and keeps its objects by tenant; name one in the URL: "
            "weaviate://…?tenant=NAME",
            collection=name,
        )
    return Choice(wanted or next(iter(vectors), "default"), tenant if by_tenant else None)


def info_of(name: str, config: Any, *, rows: Sequence[StoredRow], choice: Choice) -> CollectionInfo:
    """With the dimension of the first object; raises ConfigurationError where there is none."""
    index = (config.vector_config[choice.vector] if config.vector_config else config).vector_index_config
    metric = _METRICS.get(str(getattr(index.distance_metric, "value", index.distance_metric)), Metric.COSINE)
    if not rows or rows[0].vector is None or not len(rows[0].vector):
        raise ConfigurationError(
            f"collection {name!r} was made by others and is empty: its dimension is unknown", collection=name
        )
    return CollectionInfo(name=name, dimension=len(rows[0].vector), metric=metric, layout_version=FOREIGN)


async def described(
    ask: Callable[..., Awaitable[Any]], name: str, config: Any, *, collection: Any, options: Mapping[str, str]
) -> tuple[Choice, CollectionInfo]:
    """What is read of the collection, and its description, which takes a look at the first object."""
    choice = choose(name, config, options)
    objects = collection if choice.tenant is None else collection.with_tenant(choice.tenant)
    answer = await ask("describe_collection", lambda: objects.query.fetch_objects(limit=1, include_vector=True))
    rows = stored_of(answer.objects, with_vectors=True, foreign=True, vector_name=choice.vector)
    return choice, info_of(name, config, rows=rows, choice=choice)
