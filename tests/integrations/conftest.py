"""A store of less than the real ones."""

from __future__ import annotations

from typing import Any

import pytest

from vpa.base.capabilities import Capabilities


@pytest.fixture
def _no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded store keeps no keyword indexes."""

    def wordless(**facts: Any) -> Capabilities:
        return Capabilities(**{**facts, "keywords": False})

    monkeypatch.setattr("vpa.stores.embedded.store.Capabilities", wordless)
