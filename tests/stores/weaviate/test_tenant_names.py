"""The names of tenants are documented, and stored: they never change."""

from __future__ import annotations

import pytest

from vpa import Scope
from vpa.stores.weaviate.tenants import tenant_of


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (Scope(), "f47a1e81-60b6bbaa0c4d478ffc7afefdb9d75f75"),
        (Scope("acme", "eu"), "6be60273-7783610db8d87833e5be8437059bf619"),
    ],
)
def test_a_scope_has_the_tenant_that_it_always_had(scope: Scope, name: str) -> None:
    assert tenant_of(scope) == name
