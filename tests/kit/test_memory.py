"""Giving memory back is a courtesy: it changes nothing that anyone holds, and asks only glibc."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vpa.kit.memory import give_back


def test_what_is_held_stays() -> None:
    held = np.arange(1_000_000)
    give_back()
    assert int(held.sum()) == 499_999_500_000


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("asked"))
    give_back()


def test_a_c_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    give_back()
