"""Collections that keep each scope in a tenant of its own: names of tenants, and requests to them."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeVar

from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow
from vpa.stores.layout.tokens import scope_range, scope_text
from vpa.stores.weaviate.errors import MissingTenantError
from vpa.stores.weaviate.options import options_of

T = TypeVar("T")
# The digits that the keys of a scope begin with.
_PREFIX: Final = 8


def has_tenants(info: CollectionInfo) -> bool:
    """Whether the collection was made with a tenant for each scope."""
    return bool(options_of(info).multi_tenancy)


def tenant_of(scope: Scope) -> str:
    """The name of a scope's tenant, for Weaviate's own tools too; in the order of names stand the keys of their
    records.
    """
    digest = blake2b(scope_text(scope).encode(), digest_size=16).hexdigest()
    return f"{scope_range(scope)[0][:_PREFIX]}-{digest}"


class Ask(Protocol):
    """Sends one request, as the driver does."""

    async def __call__(self, verb: str, work: Callable[[], Awaitable[T]]) -> T: ...


class Tenants:
    """The objects of collections; `collection` makes the client's handle, without a tenant of ours."""

    def __init__(self, ask: Ask, collection: Callable[[CollectionInfo], Any]) -> None:
        self._ask = ask
        self._collection = collection

    def objects(self, info: CollectionInfo, scope: Scope | None) -> Any:
        """The client's handle on the objects of a scope; None: on those of every scope, where there are no tenants."""
        collection = self._collection(info)
        return collection.with_tenant(tenant_of(scope)) if scope is not None and has_tenants(info) else collection

    async def ask(
        self, info: CollectionInfo, scope: Scope | None, verb: str, work: Callable[[Any], Awaitable[T]]
    ) -> T | None:
        """The answer of `work` on the objects of a scope; None where the scope has no tenant yet: it holds nothing."""
        return await self._answer(info, self.objects(info, scope), verb, work)

    async def _answer(
        self, info: CollectionInfo, objects: Any, verb: str, work: Callable[[Any], Awaitable[T]]
    ) -> T | None:
        try:
            return await self._ask(verb, lambda: work(objects))
        except MissingTenantError:
            if not has_tenants(info):
                raise
            return None

    async def each(self, info: CollectionInfo, verb: str, work: Callable[[Any], Awaitable[T]]) -> list[T]:
        """The answers of `work` on the objects of every tenant, one after the other."""
        collection = self._collection(info)
        answers = [
            await self._answer(info, collection.with_tenant(name), verb, work) for name in await self._names(info)
        ]
        return [answer for answer in answers if answer is not None]

    async def page(
        self, info: CollectionInfo, *, after: str, limit: int, read: Callable[[Any, str], Awaitable[list[StoredRow]]]
    ) -> list[StoredRow]:
        """The next rows of all tenants in the order of their keys. `read` takes a tenant's objects and a key."""
        collection = self._collection(info)
        names = [name for name in await self._names(info) if name[:_PREFIX] >= after[:_PREFIX]]
        # In four billion two scopes have the same first digits; then their keys are mixed.
        for prefix, group in itertools.groupby(names, key=lambda name: name[:_PREFIX]):
            start = after if prefix == after[:_PREFIX] else ""
            rows: list[StoredRow] = []
            for name in group:
                objects = collection.with_tenant(name)
                rows += await self._answer(info, objects, "scan", lambda tenant: read(tenant, start)) or []  # noqa: B023
            if rows:
                return sorted(rows, key=lambda row: row.key)[:limit]
        return []

    async def _names(self, info: CollectionInfo) -> list[str]:
        return sorted(await self._ask("scan", self._collection(info).tenants.get))
