"""Without the extra `ingest`, what needs no library is read, and of the rest each file says what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# Packages of the extra, which the reading processes shall not find either: their path is the one of this program.
BLOCKED = "charset_normalizer docx lxml pathspec pptx py3langid pypdfium2 python_calamine selectolax watchfiles"
SITE = """
import importlib.metadata, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}.split():
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocked())
_version = importlib.metadata.version
def version(name):
    if name.replace("-", "_").removeprefix("python_") in {names!r}.replace("python_calamine", "calamine").split():
        raise importlib.metadata.PackageNotFoundError(name)
    return _version(name)
importlib.metadata.version = version
"""


def test_text_is_read_and_the_others_name_the_pip_line(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE.format(names=BLOCKED))
    folder = tmp_path / "files"
    folder.mkdir()
    texts = {
        "a.txt": "Plain text.",
        "b.md": "# Title\n\nMarkdown.",
        "c.csv": "ship,year\nann,1901\n",
        "d.json": '{"key": "value"}',
        "e.eml": "From: a@example.org\nSubject: Hello\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\nA letter.\n",
        "f.srt": "1\n00:00:01,000 --> 00:00:02,000\nA subtitle.\n",
        "g.py": "x = 1\n",
        "h.html": "<html><body><p>A page.</p></body></html>",
        "i.pdf": "%PDF-1.7\n",
        ".gitignore": "nothing\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "j.txt").write_bytes("café".encode("latin-1"))
    command = [sys.executable, "-m", "vpa", "ingest", str(folder), "--path", str(tmp_path / "store"), "--json"]
    environment = {
        "PYTHONPATH": ":".join([str(tmp_path / "site"), *sys.path]),
        "VPA_EMBEDDING_MODEL": "hashing",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["documents"] == 8
    said = {Path(one["origin"]).name: one["message"] for one in report["failed"] + report["notes"]}
    assert "pip install 'vpa[ingest]'" in said["h.html"]
    assert "pip install 'vpa[ingest]'" in said["i.pdf"]
    assert "pip install 'vpa[ingest]'" in said[".gitignore"]
