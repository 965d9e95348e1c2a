"""What every verb stands on: the collection it works on, its scope, and errors that say where they happened."""

from __future__ import annotations

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from vpa.base.arguments import argument_error
from vpa.base.errors import InvalidQueryError, VectorDatabaseError
from vpa.base.scope import DEFAULT_SCOPE, AllScopes, Scope, check_scope
from vpa.base.showing import shown
from vpa.client.binding import Binding
from vpa.embeddings.batched import OpenedModel

P = ParamSpec("P")
T = TypeVar("T")


class Located(ABC):
    """One collection, and the scope in which the verbs work where none is named."""

    _scope: Scope = DEFAULT_SCOPE
    # Whether `_scope` is the only one that the verbs may work in.
    _is_confined: bool = False

    @abstractmethod
    def _bound(self) -> Binding:
        """The collection that the verbs work on; raises ClosedError or ConfigurationError."""

    def _model(self) -> OpenedModel | None:
        """The embedder of texts: another handle's serves where it is known to be the collection's."""
        bound = self._bound()
        return bound.model if bound.model is not None and bound.model[1] == bound.info.embedding else None

    def _single_scope(self, scope: Scope | None) -> Scope:
        if scope is None:
            return self._scope
        self._check_within(check_scope(scope))
        return scope

    def _any_scope(self, scope: Scope | AllScopes | None) -> Scope | AllScopes:
        if scope is None:
            return self._scope
        if not isinstance(scope, Scope | AllScopes):
            raise InvalidQueryError(f"scope must be a vpa.Scope or vpa.ALL_SCOPES, not {shown(scope)}")
        self._check_within(scope)
        return scope

    def _check_within(self, scope: Scope | AllScopes) -> None:
        if self._is_confined and scope != self._scope:
            asked = "ALL_SCOPES" if isinstance(scope, AllScopes) else scope
            raise InvalidQueryError(
                f"this handle works within {self._scope}, {asked} was asked for; use the collection that within() was "
                "called on"
            )


S = TypeVar("S", bound=Located)


def located(verb: Callable[Concatenate[S, P], Awaitable[T]]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Errors of a verb, those of validation too, say which provider and collection were meant.

    Arguments that it does not take are answered with those that it takes.
    """

    @functools.wraps(verb)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            answer: T = await _begun(verb, self, args, kwargs)
            return answer
        except VectorDatabaseError as error:
            _locate(self, error)
            raise

    return call


def located_scan(
    verb: Callable[Concatenate[S, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[S, P], AsyncGenerator[T, None]]:
    """As `located`, for an asynchronous generator; closing it closes the scan below."""

    @functools.wraps(verb)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        try:
            async with contextlib.aclosing(_begun(verb, self, args, kwargs)) as items:
                async for item in items:
                    yield item
        except VectorDatabaseError as error:
            _locate(self, error)
            raise

    return call


def _begun(verb: Callable[..., Any], self: Located, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return verb(self, *args, **kwargs)
    except TypeError as error:
        # No line of the verb has run yet: the arguments do not fit.
        raise argument_error(verb, (self, *args), kwargs) or error from None


def _locate(place: Located, error: VectorDatabaseError) -> None:
    with contextlib.suppress(VectorDatabaseError):
        bound = place._bound()
        error.located(provider=bound.store.provider, collection=bound.info.name)
