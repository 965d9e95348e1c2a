"""`vpa completion`: a script for the shell that completes commands and options."""

from __future__ import annotations

from argparse import Namespace

from vpa.base.errors import ProviderNotInstalledError
from vpa.commands.common import print_line


def run(args: Namespace) -> int:
    """Print it; for bash: `vpa completion bash > ~/.local/share/bash-completion/completions/vpa`."""
    try:
        import shtab
    except ImportError as error:
        raise ProviderNotInstalledError('completion needs shtab: pip install "vpa[completion]"') from error
    print_line(shtab.complete(args.parser, shell=args.shell))
    return 0
