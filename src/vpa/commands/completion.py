"""`vpa completion`: a script for the shell that completes commands and options."""

from __future__ import annotations

from argparse import Namespace

import shtab

from vpa.commands.common import print_line


def run(args: Namespace) -> int:
    """Print it; for bash: `vpa completion bash > ~/.local/share/bash-completion/completions/vpa`."""
    print_line(shtab.complete(args.parser, shell=args.shell))
    return 0
