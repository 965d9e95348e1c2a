"""Several searches of one table in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from vpa.base.query import SearchRequest
from vpa.engine.table import Answer, Table
from vpa.filters.ast import ALWAYS, Filter


def search_many(table: Table, asked: Sequence[tuple[SearchRequest, Filter]]) -> list[list[Answer] | Exception]:
    """For each request its answers, or the error that it met; those that differ in nothing but vectors run as one."""
    groups: dict[Any, list[int]] = {}
    for place, (request, node) in enumerate(asked):
        # By its text: as values, filters for 1 and for True are equal.
        groups.setdefault((request.like(), "" if node is ALWAYS else repr(node)), []).append(place)
    results: list[list[Answer] | Exception] = [[]] * len(asked)
    for places in groups.values():
        try:
            _search_group(table, asked, places, results)
        except Exception as error:  # noqa: BLE001 - each caller is handed it, and raises it
            for place in places:
                results[place] = error
    return results


def _search_group(
    table: Table,
    asked: Sequence[tuple[SearchRequest, Filter]],
    places: Sequence[int],
    results: list[list[Answer] | Exception],
) -> None:
    request, node = asked[places[0]]
    if len(places) > 1:
        request = replace(request, vectors=np.concatenate([asked[place][0].vectors for place in places]))
    answers = iter(table.search(request, node))
    for place in places:
        results[place] = list(islice(answers, len(asked[place][0].vectors)))
