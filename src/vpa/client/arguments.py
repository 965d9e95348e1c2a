"""What functions beside the verbs are called with: a collection, a manager, a number; and what to pass instead."""

from __future__ import annotations

import inspect
import os
from numbers import Integral
from typing import Any

from vpa.base.errors import ConfigurationError, InvalidQueryError
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager


def check_collection(value: object, *, function: str, argument: str = "collection") -> Collection:
    """Return a collection's handle; raises ConfigurationError, for a manager too, whose records may not be meant."""
    if isinstance(value, Collection):
        return value
    raise _refused(value, function=function, argument=argument, needed='a collection: await db.collection("name")')


def check_manager(value: object, *, function: str, argument: str) -> VectorDatabaseManager:
    """Return a manager; raises ConfigurationError."""
    if isinstance(value, VectorDatabaseManager):
        return value
    raise _refused(
        value, function=function, argument=argument, needed="a connected manager: async with vpa.connect(url) as db"
    )


def check_name(value: object, *, function: str, argument: str) -> str:
    """Return a collection's name; raises ConfigurationError."""
    if isinstance(value, str):
        return value
    raise _refused(value, function=function, argument=argument, needed='the name of a collection, as text: "docs"')


def check_directory(value: object, *, function: str, argument: str) -> str:
    """Return a path; raises ConfigurationError, for the store's manager too, whose directory is `config.path`."""
    if isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str):
        return str(value)
    raise _refused(
        value,
        function=function,
        argument=argument,
        needed="the path of a directory, as db.config.path of an embedded store",
    )


def check_sample(value: object, *, needed: str = "at least 1") -> int:
    """Return how many records are to be drawn; raises InvalidQueryError, saying what is `needed`."""
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return int(value)
    raise InvalidQueryError(f"sample must be a whole number of {needed}, not {shown(value)}")


def _refused(value: Any, *, function: str, argument: str, needed: str) -> ConfigurationError:
    hint = ""
    if inspect.iscoroutine(value):
        # It is refused here, so nothing will await it.
        value.close()
        hint = "; await is missing before it"
    elif type(value).__module__ == "vpa.sync":
        hint = f"; it is of vpa.sync: use vpa.sync.{function}"
    return ConfigurationError(
        f"vpa.{function} takes as {argument} {needed} (without await in vpa.sync), not {_described(value)}{hint}"
    )


def _described(value: object) -> str:
    if isinstance(value, VectorDatabaseManager):
        return "a manager"
    if isinstance(value, Collection):
        return f"the collection {value.name!r}"
    return f"the text {shown(value)}" if isinstance(value, str) else f"a {type(value).__name__}"
