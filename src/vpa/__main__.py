"""`python -m vpa` is the program `vpa`."""

from __future__ import annotations

import sys

from vpa.main import main

if __name__ == "__main__":
    sys.exit(main())
