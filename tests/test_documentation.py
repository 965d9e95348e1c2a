"""The README and the docs are true: snippets run, links lead somewhere, files parse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPETS = [
    (page.name, number, found[1])
    for page in PAGES
    for number, found in enumerate(
        re.finditer(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize(("name", "number", "code"), SNIPPETS, ids=[f"{name}-{number}" for name, number, _ in SNIPPETS])
def test_a_snippet_runs(name: str, number: int, code: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if (name, number) == ("README.md", 0):
        assert "ice  Sea ice reflects" in done.stdout
    if (name, number) == ("README.md", 1):
        assert done.stdout.splitlines()[1] == "1"
    if (name, number) == ("README.md", 2):
        assert "Sea ice" in done.stdout
        assert "1 search" in done.stdout


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "kubernetes" / "README.md"], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_the_table_of_settings_names_every_variable() -> None:
    from vpa.config.reading import SETTINGS

    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    named = set(
        re.findall(
            r"VPA_[A-Z_]+", text.replace("`_PORT`", "`VPA_VECTOR_DB_PORT`").replace("`_URL`", "`VPA_VECTOR_DB_URL`")
        )
    )
    assert {declared.setting.variable for declared in SETTINGS.values()} <= named


def test_files_for_kubernetes_parse() -> None:
    documents = list(yaml.safe_load_all((ROOT / "kubernetes" / "ingest-job.yaml").read_text("utf-8")))
    assert [document["kind"] for document in documents] == [
        "ConfigMap",
        "PersistentVolumeClaim",
        "PersistentVolumeClaim",
        "Job",
    ]
    settings = documents[0]["data"]
    from vpa.config.reading import SETTINGS

    assert {declared.setting.variable for declared in SETTINGS.values()} >= set(settings)


def test_there_are_at_most_ten_core_dependencies() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert len(project["dependencies"]) <= 10
    extras = set(project["optional-dependencies"])
    assert {
        "minilm",
        "sentence-transformers",
        "fast",
        "chroma",
        "qdrant",
        "milvus",
        "pgvector",
        "weaviate",
        "pinecone",
    } <= extras
    assert {"testing", "service", "all", "dev"} <= extras
    installation = (ROOT / "docs" / "install.md").read_text("utf-8")
    assert all(extra in installation for extra in extras)


@pytest.mark.parametrize("script", ["integration_test_vector_database.py", "benchmark_vector_database.py"])
def test_the_scripts_write_their_reports(script: str, tmp_path: Path) -> None:
    import json

    small = ["--records", "300", "--dimension", "16"] if script.startswith("bench") else []
    command = [sys.executable, str(ROOT / "scripts" / script), *small]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = tmp_path.glob("*.json")
    report = json.loads(path.read_text("utf-8"))
    assert path.name in ("vpa_integration_test_report.json", "vpa_vector_db_benchmark_report.json")
    assert (report["format"], report["provider"]) == (1, "embedded")
    assert report.get("passed", 12) == 12
    wrong = subprocess.run([*command, "--provider", "qdrnt"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr


def test_the_reference_is_what_the_code_says() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
