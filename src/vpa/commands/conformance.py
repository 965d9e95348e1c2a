"""`vpa conformance URL`: the public suite against any deployment. Makes collections of its own and drops them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from argparse import Namespace
from pathlib import Path

from vpa.base.errors import ConfigurationError
from vpa.commands.common import print_line
from vpa.stores.config import parse_url


def run(args: Namespace) -> int:
    """Exit status 1 if a case failed."""
    parse_url(args.url)
    missing = [name for name in ("pytest", "pytest_asyncio", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(f'the suite needs {", ".join(missing)}; run: pip install "vpa[testing]"')
    import pytest

    arguments = _arguments(args)
    if args.json:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            status = int(pytest.main(arguments))
        if status not in (0, 1):
            sys.stderr.write(output.getvalue())
            return 3
        print_line(Path(args.report).read_text("utf-8").rstrip())
    else:
        status = int(pytest.main(arguments))
        print_line(f"report: {args.report}")
    return 0 if status == 0 else 1


def _arguments(args: Namespace) -> list[str]:
    """Of pytest: the suite as installed, with no configuration of the directory where it runs."""
    return [
        "-q",
        "-p",
        "vpa.testing.plugin",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "vpa.testing.deployment",
        "-c",
        "/dev/null",
        "--rootdir",
        str(Path.cwd()),
        "-o",
        "asyncio_mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
        "-o",
        "python_classes=Test*",
        "--no-header",
        "--tb=short",
        f"--store-url={args.url}",
        f"--conformance-report={args.report}",
    ]
