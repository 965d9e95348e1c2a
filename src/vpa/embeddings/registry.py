"""Finds the factory of an embedder by name: ours, or one that a package names under the entry points `vpa.embeddings`.

An entry point names a factory, called as `factory(model=…, path=…)`: for VPA_EMBEDDING_MODEL=`acme:large`, the entry
`acme` is called with model "large", and with VPA_EMBEDDING_MODEL_PATH or None. It returns anything that `as_embedder`
accepts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol

from vpa.base.errors import EmbedderError, VectorDatabaseError
from vpa.embeddings.adapt import as_embedder
from vpa.embeddings.contract import Embedder

GROUP: Final = "vpa.embeddings"


class EmbedderFactory(Protocol):
    """What an entry point names."""

    def __call__(self, *, model: str, path: str | None) -> Any:
        """Make the embedder; `model` is what follows the colon of the name, else ""."""
        ...


def installed() -> Mapping[str, EntryPoint]:
    """The embedders of other packages by name, in lower case."""
    return {entry.name.lower(): entry for entry in entry_points(group=GROUP)}


def create(name: str, *, path: str | None) -> Embedder | None:
    """The embedder that another package registered under this name; None if there is none. Raises EmbedderError."""
    prefix, _, model = name.partition(":")
    entry = installed().get(prefix.lower())
    if entry is None:
        return None
    try:
        factory: EmbedderFactory = entry.load()
        return as_embedder(factory(model=model, path=path))
    except VectorDatabaseError:
        raise
    except Exception as error:
        raise EmbedderError(
            f"embedder {name!r} could not be made by {entry.value} (entry point of {GROUP}): {type(error).__name__}: {error}"
        ) from error


def suggestion(name: str, known: list[str]) -> str:
    """A hint for a name that is close to a known one, else the names that exist."""
    names = sorted({*known, *installed()})
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known names: {', '.join(names)}"
