"""Which first pass is at hand."""

from __future__ import annotations

import importlib.util

from vpa.base.errors import ConfigurationError
from vpa.base.index_options import FirstPass
from vpa.engine.quant.base import Codes


def codes_types(wanted: FirstPass) -> list[type[Codes]]:
    """Kinds of codes to try, the one that is made fastest first.

    Raises ConfigurationError with the pip line where the compiled one is asked for and missing.
    """
    from vpa.engine.quant.signs import SignCodes

    if wanted is FirstPass.SIGNS:
        return [SignCodes]
    if importlib.util.find_spec("turbovec") is None:
        if wanted is FirstPass.TURBOVEC:
            raise ConfigurationError('first_pass="turbovec" needs a package that is not there; run: pip install "vpa[fast]"')  # fmt: skip
        return [SignCodes]
    from vpa.engine.quant.turbo import TurboCodes

    return [TurboCodes] if wanted is FirstPass.TURBOVEC else [SignCodes, TurboCodes]
