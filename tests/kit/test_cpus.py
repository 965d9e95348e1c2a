"""How many CPUs there are: the least of the affinity and of every quota above the process, as files of Linux tell
it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vpa.kit import cpus
from vpa.kit.cpus import available_cpus

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"
OTHER = "34 25 0:29 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory"


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "allowed_cpus", lambda: 16)


def system(root: Path, *, groups: str, mounts: str, files: dict[str, str]) -> Path:
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(groups)
    (proc / "mountinfo").write_text(mounts + "\n")
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app/cpu.max": "200000 100000"}, 2),
        ({"app/cpu.max": "150000 100000"}, 1),
        ({"app/cpu.max": "50000 100000"}, 1),
        ({"app/cpu.max": "max 100000"}, 16),
        ({"app/cpu.max": "400000 100000", "cpu.max": "300000 100000"}, 3),
        ({"cpu.max": "300000 100000"}, 3),
        ({"app/cpu.max": "garbage"}, 16),
        ({"app/cpu.max": "100000 0"}, 16),
        ({}, 16),
    ],
)
def test_quotas_of_control_groups_2(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert available_cpus(system(tmp_path, groups="0::/app\n", mounts=V2, files=files)) == expected


@pytest.mark.parametrize(
    ("folder", "quota", "expected"), [("app/", "200000", 2), ("app/", "-1", 16), ("", "300000", 3)]
)
def test_quotas_of_control_groups_1(tmp_path: Path, folder: str, quota: str, expected: int) -> None:
    files = {
        f"cpu,cpuacct/{folder}cpu.cfs_quota_us": quota,
        f"cpu,cpuacct/{folder}cpu.cfs_period_us": "100000",
        "memory/app/cpu.cfs_quota_us": "1",
        "memory/app/cpu.cfs_period_us": "1",
    }
    groups = "4:memory:/app\n2:cpu,cpuacct:/app\n"
    assert available_cpus(system(tmp_path, groups=groups, mounts=f"{OTHER}\n{V1}", files=files)) == expected


def test_in_a_container_the_path_of_the_host_does_not_exist(tmp_path: Path) -> None:
    root = system(tmp_path, groups="0::/docker/abc\n", mounts=V2, files={"cpu.max": "200000 100000"})
    assert available_cpus(root) == 2


def test_without_control_groups_it_is_the_affinity(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == 16


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_process_bound_to_one_cpu_has_one() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from vpa.kit.cpus import available_cpus; print(available_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
