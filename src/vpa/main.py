"""Entry point of the program `vpa`: parse, dispatch, and turn errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from vpa.cli import build_parser

EXIT_OK = 0  # docs/cli.md lists them; 70 is EX_SOFTWARE of sysexits.h, 130 a shell's for Ctrl-C.
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_STORE = 3
EXIT_UNEXPECTED = 70
EXIT_INTERRUPTED = 130
# `import` is a word of the language.
_MODULES = {"import": "import_"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (see docs/cli.md)."""
    args = build_parser().parse_args(argv)
    try:
        return _run(args.command, args)
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (`vpa … | head`): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _run(command: str, args: object) -> int:
    import importlib

    from vpa.base import errors

    usage = (
        errors.ConfigurationError,
        errors.InvalidFilterError,
        errors.InvalidQueryError,
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


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"vpa: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
