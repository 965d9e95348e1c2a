"""Haystack's own tests on every store; on the two that take the longest with -m long."""

from __future__ import annotations

import pytest

from deployments import PROVIDERS
from integrations import haystack_cases

LONG = ("pinecone", "weaviate")

for _provider, _form in PROVIDERS.items():
    _marks = [pytest.mark.long] if _provider in LONG else []
    _name = f"Test{_provider.title()}"
    globals()[_name] = type(
        _name, (haystack_cases.HaystackCases,), {"__module__": __name__, "store_name": _form, "pytestmark": _marks}
    )


def test_no_case_of_haystack_is_left_out() -> None:
    from haystack.testing import document_store, document_store_async

    classes = [*vars(document_store).values(), *vars(document_store_async).values()]
    cases = {name for kind in classes if isinstance(kind, type) for name in vars(kind) if name.startswith("test_")}
    assert cases <= set(dir(haystack_cases.HaystackCases))
    assert len(cases) >= 127
