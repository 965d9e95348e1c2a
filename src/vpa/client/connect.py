"""`vpa.connect`: from a URL to a manager."""

from __future__ import annotations

import os

from vpa.base.arguments import explained
from vpa.base.records import Metric, MetricName
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig, parse_url


@explained
def connect(
    url: str | os.PathLike[str],
    *,
    index_name: str | None = None,
    dimension: int | None = None,
    metric: Metric | MetricName = Metric.COSINE,
    api_key: str | None = None,
    timeout_seconds: float = 30.0,
    max_retries: int = 3,
    connection_pool_size: int = 20,
    max_concurrent_requests: int = 100,
    read_only: bool = False,
) -> VectorDatabaseManager:
    """A manager for `provider://host:port/path`, to be used as `async with vpa.connect(url) as db`.

    `embedded://` is the embedded engine in memory, `embedded:///abs/path` and `embedded://./rel` keep its data on disk;
    so does the path of a directory alone, as in `vpa.connect("./data")`.
    `read_only` reads a directory beside the process that writes to it, as it grows; writes raise ReadOnlyError.
    Secrets go in `api_key`, never in the URL. Raises ConfigurationError for a URL that cannot be right.
    """
    fields = parse_url(url)
    if index_name is not None:
        fields["index_name"] = index_name
    return VectorDatabaseManager(
        VectorDatabaseConfig(
            **fields,
            dimension=dimension,
            metric=metric,
            api_key=api_key,
            timeout_seconds=timeout_seconds,
            max_retries=max_retries,
            connection_pool_size=connection_pool_size,
            max_concurrent_requests=max_concurrent_requests,
            read_only=read_only,
        )
    )
