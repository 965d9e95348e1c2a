from __future__ import annotations

from vpa.kit.pace import Pace


def test_steps_grow_while_they_are_short_and_shrink_when_they_are_not() -> None:
    pace = Pace(least=64, most=256, step_s=0.2)
    assert pace.size == 64
    pace.took(64, 0.01)
    assert pace.size == 128
    pace.took(128, 0.01)
    pace.took(256, 0.0)
    assert pace.size == 256
    pace.took(256, 0.4)
    assert pace.size == 128
    pace.took(10, 5.0)
    assert pace.size == 64
