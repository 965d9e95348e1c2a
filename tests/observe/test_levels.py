"""A program that uses the library sets its level as for any other."""

from __future__ import annotations

import logging

import pytest
import structlog

import vpa
from vpa.observe.log import get_logger


@pytest.mark.parametrize("name", ["vpa", "vpa.client"])
def test_a_level_of_the_standard_library_holds(name: str) -> None:
    log = get_logger("vpa.client")
    before = logging.getLogger(name).level
    try:
        with structlog.testing.capture_logs() as logged:
            log.warning("shown")
            logging.getLogger(name).setLevel(logging.ERROR)
            log.warning("left out")
            log.error("shown too")
    finally:
        logging.getLogger(name).setLevel(before)
    assert [line["event"] for line in logged] == ["shown", "shown too"]


async def test_an_embedder_that_was_named_is_no_warning() -> None:
    with structlog.testing.capture_logs() as logged:
        async with vpa.connect("embedded://") as db:
            await db.open_collection("notes", embedder="hashing")
    assert [line for line in logged if line["log_level"] == "warning"] == []
