"""vpa's errors as HTTP answers of a FastAPI (or Starlette) application. Needs `pip install "vpa[service]"`.

Values of vpa (`list[SearchResult]`, `list[Match]`, `Matches`) are response models as they are.
"""

from __future__ import annotations

import sys

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from vpa.base.errors import VectorDatabaseError
from vpa.integrations.http import body_of, headers_of, status_of


def install_error_handlers(app: Starlette) -> None:
    """Answer each error of vpa with its HTTP status and `{"code", "message"}`; docs/errors.md lists both.

    The codes are stable, the messages are for people. Other exceptions are left to the application.
    """
    app.add_exception_handler(VectorDatabaseError, _answer)
    # Where a path's function has no annotation, FastAPI takes values apart itself, and knows no arrays.
    encoders = sys.modules.get("fastapi.encoders")
    if encoders is not None:
        encoders.ENCODERS_BY_TYPE[np.ndarray] = np.ndarray.tolist


async def _answer(request: Request, error: Exception) -> JSONResponse:
    del request
    if not isinstance(error, VectorDatabaseError):
        raise error
    return JSONResponse(body_of(error), status_code=status_of(error), headers=headers_of(error))
