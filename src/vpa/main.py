"""Entry point of the program `vpa`: parse, dispatch, and turn errors into one line and an exit status."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Sequence

from vpa.cli import build_parser

EXIT_OK = 0  # docs/cli.md lists them; 70 is EX_SOFTWARE of sysexits.h, 130 a shell's for Ctrl-C, 143 for SIGTERM.
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_STORE = 3
EXIT_UNEXPECTED = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
# `import` is a word of the language.
_MODULES = {"import": "import_"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (see docs/cli.md)."""
    _write_anything()
    args = build_parser().parse(argv)
    terminated = _interrupt_when_terminated()
    try:
        return _run(args.command, args)
    except KeyboardInterrupt:
        word, status = ("terminated", EXIT_TERMINATED) if terminated.is_set() else ("interrupted", EXIT_INTERRUPTED)
        return _complain(word, status)
    except BrokenPipeError:
        # The reader of our output went away (`vpa … | head`): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _interrupt_when_terminated() -> threading.Event:
    """SIGTERM ends a command as Ctrl-C does: what it was doing is put in order, and it says how far it got."""
    terminated = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        terminated.set()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell's background job: Ctrl-C is not meant for it, but SIGTERM is.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    # Of another thread, signals are not its business.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
    return terminated


def _run(command: str, args: object) -> int:
    import importlib

    from vpa.base import errors

    usage = (
        errors.ConfigurationError,
        errors.InvalidFilterError,
        errors.InvalidQueryError,
        errors.InvalidRecordError,
        errors.ArgumentError,
        errors.ProviderNotInstalledError,
    )
    try:
        module = importlib.import_module(f"vpa.commands.{_MODULES.get(command, command)}")
        status: int = module.run(args)
        return status
    except usage as error:
        return _complain(str(error), EXIT_USAGE)
    except errors.VectorDatabaseError as error:
        return _complain(str(error), EXIT_STORE)
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("VPA_DEBUG", "").lower() in ("1", "true", "yes", "on"):
            raise
        return _complain(
            f"unexpected {type(error).__name__}: {error} (set VPA_DEBUG=true for details)", EXIT_UNEXPECTED
        )


def _write_anything() -> None:
    """What the terminal's encoding does not have is escaped: an ASCII terminal must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(message: str, status: int) -> int:
    from vpa.observe.printable import one_line

    sys.stderr.write(f"vpa: {one_line(message)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
