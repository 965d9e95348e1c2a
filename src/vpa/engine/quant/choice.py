"""Which first passes are at hand."""

from __future__ import annotations

import importlib.util
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.index_options import FirstPass, IndexOptions, Quantization
from vpa.engine.quant.base import Codes

_PACKAGES: Final = {FirstPass.TURBOVEC: ("turbovec", "vpa[fast]"), FirstPass.FAISS: ("faiss", "faiss-cpu")}


def codes_types(options: IndexOptions) -> list[type[Codes]]:
    """Kinds of codes to try, in this order: the compiled one that there is, and signs; or what the quantization names.

    Raises ConfigurationError with the pip line where a compiled one is asked for and missing.
    """
    if options.quantization is not Quantization.NONE and options.originals:
        return [_quantized_type(options.quantization)]
    wanted = options.first_pass
    if wanted is not FirstPass.AUTO:
        return [_codes_type(wanted)]
    compiled = next((kind for kind in _PACKAGES if is_installed(kind)), None)
    return [*([] if compiled is None else [_codes_type(compiled)]), _codes_type(FirstPass.SIGNS)]


def _quantized_type(quantization: Quantization) -> type[Codes]:
    if quantization is Quantization.BINARY:
        return _codes_type(FirstPass.SIGNS)
    if quantization is Quantization.INT4 and is_installed(FirstPass.TURBOVEC):
        return _codes_type(FirstPass.TURBOVEC)
    from vpa.engine.quant.refined import Int4Codes, Int8Codes

    return Int4Codes if quantization is Quantization.INT4 else Int8Codes


def is_installed(kind: FirstPass) -> bool:
    """Whether the package of these codes can be imported."""
    return kind not in _PACKAGES or importlib.util.find_spec(_PACKAGES[kind][0]) is not None


def _codes_type(kind: FirstPass) -> type[Codes]:
    if not is_installed(kind):
        raise ConfigurationError(
            f'first_pass="{kind}" needs a package that is not there; run: pip install "{_PACKAGES[kind][1]}"'
        )
    if kind is FirstPass.TURBOVEC:
        from vpa.engine.quant.turbo import TurboCodes

        return TurboCodes
    if kind is FirstPass.FAISS:
        from vpa.engine.quant.faiss_pq import FaissCodes

        return FaissCodes
    from vpa.engine.quant.signs import SignCodes

    return SignCodes
