"""What the commands share: settings with the command line's defaults, output for people and for programs."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vpa.base.errors import (
    CollectionNotFoundError,
    ConfigurationError,
    InvalidFilterError,
    VectorDatabaseError,
)
from vpa.base.providers import VectorDatabaseProvider
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.config.sections.store import VectorDatabaseConfig
from vpa.config.settings import DeploymentConfig, get_config
from vpa.config.store_url import absolute_path
from vpa.filters import foreign
from vpa.kit.strict_json import parse_json
from vpa.observe.log import LEVELS, configure_logging
from vpa.observe.printable import printable, printable_json

DEFAULT_PATH: Final = "./.vpa"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `status` is ok, warn or fail; `fix` says what to do."""

    area: str
    status: str
    finding: str
    fix: str = ""


def settings(args: Namespace) -> DeploymentConfig:
    """The deployment's settings; an embedded store gets a directory if none is set."""
    config = get_config(args.environment)
    if args.collection:
        config.vector_db_index_name = args.collection
    if args.path:
        config.use_place(args.path)
    elif config.vector_db_provider == VectorDatabaseProvider.MOCK and not (
        config.vector_db_path or config.vector_db_url
    ):
        config.vector_db_path = DEFAULT_PATH
    log = config.log
    level = "DEBUG" if config.debug else max(log.level, "WARNING", key=LEVELS.index)
    configure_logging(level=level, fmt=log.format)
    return config


def reading(config: DeploymentConfig) -> VectorDatabaseConfig:
    """The store of a command that only reads: beside a process that writes, and without making a directory.

    Where nothing was stored yet in the default place it is an empty store in memory.
    """
    stored = config.store
    if stored.provider != VectorDatabaseProvider.MOCK or stored.path is None:
        return stored
    is_default = stored.path == absolute_path(DEFAULT_PATH) and not os.path.exists(stored.path)
    return replace(stored, path=None) if is_default else replace(stored, read_only=True)


def scope(args: Namespace) -> Scope:
    """Whose records a command means: its `--tenant` and `--namespace`."""
    return Scope(args.tenant, args.namespace)


def scope_text(place: Scope) -> str:
    """A scope in a sentence: "tenant acme, namespace eu"."""
    named = (("tenant", place.tenant), ("namespace", place.namespace))
    return ", ".join(f"{option} {value}" for option, value in named if value) or "the default scope"


def parse_filter(text: str | None) -> dict[str, Any] | None:
    """A filter given as JSON text; raises InvalidFilterError."""
    if text is not None and not text.lstrip().startswith(("{", "[")) and (notation := foreign.of_value(text)):
        raise InvalidFilterError(f"--filter: {notation}")
    return None if text is None else _json_object(text, "the filter", InvalidFilterError)


def parse_store_options(text: str | None) -> dict[str, Any] | None:
    """Store options given as JSON text; raises ConfigurationError."""
    return None if text is None else _json_object(text, "--store-options", ConfigurationError)


def _json_object(text: str, what: str, kind: type[VectorDatabaseError]) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise kind(f"{what} cannot be read as JSON ({error}): {shown(text)}; put it in single quotes") from None
    if not isinstance(value, dict):
        raise kind(f"{what} must be a JSON object, not {shown(text)}")
    return value


def nothing_stored(name: str, others: Sequence[str] = ()) -> CollectionNotFoundError:
    """For a command that reads, before the first document; `others` are the collections that there are."""
    hint = f"; there are: {', '.join(others)} (VPA_VECTOR_DB_INDEX_NAME names one)" if others else ""
    return CollectionNotFoundError(
        f"nothing is stored yet in collection {name!r}; add documents with: vpa ingest PATH{hint}"
    )


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    # Where stdout cannot write every character, JSON's own escapes stand for them.
    is_unicode = (sys.stdout.encoding or "utf-8").lower().replace("_", "-").startswith("utf-")
    text = json.dumps(value, ensure_ascii=not is_unicode, indent=2, default=str)
    sys.stdout.write(printable_json(text) + "\n")


def print_line(text: str = "") -> None:
    """A line on stdout, or several; control characters are shown, not obeyed."""
    sys.stdout.write(printable(text) + "\n")


def print_problem(text: str) -> None:
    """A line on stderr; control characters are shown, not obeyed."""
    sys.stderr.write(printable(text) + "\n")


def counted(count: int, word: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table on stdout, as wide as the terminal; 100 columns where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 100)
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console.print(table)
