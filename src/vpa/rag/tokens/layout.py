"""The file of token vectors."""

from __future__ import annotations

from typing import Final

from vpa.kit.shelf.layout import ShelfLayout

# The application id is "vpat" in ASCII.
TOKEN_VECTORS: Final = ShelfLayout(
    file_name="token-vectors.sqlite", application_id=0x76706174, version=1, table="tokens", contents="token vectors"
)
