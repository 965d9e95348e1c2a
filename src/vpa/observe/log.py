"""Logging with structlog: JSON lines or a console, a context that follows a request, no secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog

from vpa.observe.printable import printable
from vpa.observe.redact import redact_event

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS: Final = ("console", "json")


class Logger:
    """A structured logger of one module. Until someone configures structlog, warnings go to stderr, never to stdout;
    a level of `logging.getLogger("vpa")` holds for it too.
    """

    def __init__(self, component: str) -> None:
        self._component = component

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _is_silenced(self._component, level):
            return
        if not structlog.is_configured():
            configure_logging(level="WARNING")
        getattr(structlog.get_logger(component=self._component), level)(event, **fields)

    def debug(self, event: str, **fields: object) -> None:
        """Log details that help to find a fault; off by default."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log an event that an operator may want to know of."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log a state that works but that an operator should look at."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log a failure that no exception reports to the caller."""
        self._log("error", event, fields)


def _is_silenced(component: str, level: str) -> bool:
    """Whether the program set a higher level, as for any library: `logging.getLogger("vpa").setLevel("ERROR")`."""
    name = component
    while name:
        chosen = logging.getLogger(name).level
        if chosen:
            return chosen > logging.getLevelNamesMapping()[level.upper()]
        name = name.rpartition(".")[0]
    return False


def get_logger(component: str) -> Logger:
    """A logger for one module; its `component` field says which."""
    return Logger(component)


def configure_logging(*, level: str = "INFO", fmt: str = "console", stream: TextIO | None = None) -> None:
    """Set up structlog for a program. A library user who has configured structlog need not call this.

    Without a `stream` each line goes to what `sys.stderr` is at that moment.
    """
    target = stream or sys.stderr
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if fmt == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=target.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if fmt == "json" else _keep,
            redact_event,
            _shown if fmt == "console" else _keep,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def _keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


def _shown(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


@contextmanager
def request_context(**values: object) -> Iterator[None]:
    """Add `values` (request id, user, collection) to every log line written inside, in this task only."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
