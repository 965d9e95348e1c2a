"""Several things at once, where the first error ends all of them and is raised as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """The results in order. Where one fails the others are cancelled, and what it raised is raised, in no group."""

    async def result_of(awaitable: Awaitable[T]) -> T:
        return await awaitable

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(result_of(awaitable)) for awaitable in work]
    except BaseExceptionGroup as errors:
        raise first_of(errors) from errors
    return [task.result() for task in tasks]


async def both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """The results of two; as `together` where one fails."""
    work: list[Awaitable[Any]] = [first, second]
    one, other = await together(work)
    return one, other


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep it lies."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
