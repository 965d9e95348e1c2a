"""Collects a folder of well-formed files of all formats: real ones out of Debian's packages, and generated ones.

`python well_formed.py FOLDER [--generated-only] [--most 40]`. FOLDER/files/generated/… come from samples.py and
sample_office.py, FOLDER/files/real/PACKAGE/… from packages that `apt-get` downloads (nothing is installed, and apt's
own lists stay as they are). Without a network, or where there is no apt, only the generated part is made, and the
script says what is missing. `--most` is of one ending and package.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import sample_office
import samples

BINARY = (
    "developers-reference debian-faq harden-doc iproute2-doc libtasn1-doc nettle-dev maint-guide bzip2-doc gnuplot-doc",
    "debian-policy live-manual-epub live-manual-odf live-manual-txt live-manual-html live-manual-pdf python-odf-doc",
    "ubuntu-packaging-guide-epub ubuntu-packaging-guide-epub-de ubuntu-packaging-guide-epub-ru apt-doc aptitude-doc-en",
)
SOURCE = (
    "pandoc python-docx openpyxl maildir-utils notmuch python-srt unrtf python-xlrd libapache-poi-java subliminal",
    "gaupol docx2txt mailutils r-cran-readxl ruby-roo ruby-pdf-reader",
)
_ENDINGS = (
    ".pdf .docx .pptx .xlsx .xls .ods .odt .odp .epub .rtf .html .xhtml .eml .mbox .srt .vtt .csv .tsv .json .xml .md",
    ".rst .txt .gz .ipynb",
)
ENDINGS = frozenset(" ".join(_ENDINGS).split())
# What tests of parsers keep beside good files: made to fail.
_BROKEN = (
    "fuzz", "crash", "timeout", "corrupt", "invalid", "broken", "malformed", "protect", "encrypt", "password", "poc-",
    "bad", "oom", "clusterfuzz", "missing", "truncated", "zipbomb", "unicode-",
)  # fmt: skip
_SEEDS = 8
_LARGEST = 20 << 20


def generate(folder: Path) -> int:
    """Some of each format; how many."""
    count = 0
    for module in (samples, sample_office):
        for ending in module.ENDINGS:
            for seed in range(1, 1 + (2 if ending == "png" else _SEEDS if module is sample_office else _SEEDS // 2)):
                path = folder / ending / f"report-{seed}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(module.sample(ending, seed))
                count += 1
    return count


class Debian:
    """Downloads packages into a folder, with lists of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        codename = _codename()
        signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        lines = [f"{kind} {signed} http://deb.debian.org/debian {codename} main\n" for kind in ("deb", "deb-src")]
        (folder / "sources.list").write_text("".join(lines))
        self.options = [
            *("-o", f"Dir::Etc::sourcelist={folder}/sources.list"),
            *("-o", "Dir::Etc::sourceparts=-"),
            *("-o", f"Dir::State::lists={folder}/lists"),
            *("-o", f"Dir::Cache={folder}"),
            *("-o", "Acquire::Languages=none"),
            *("-o", "APT::Sandbox::User=root"),
        ]

    def apt(self, *words: str, place: Path) -> str:
        """Runs apt-get; what went wrong, empty where nothing did."""
        try:
            done = subprocess.run(
                ["apt-get", "-qq", *self.options, *words], cwd=place, capture_output=True, text=True, timeout=300
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return done.stderr.strip()[-200:] if done.returncode else ""

    def fetch(self, package: str, *, is_source: bool) -> tuple[Path | None, str]:
        """The folder that a package was unpacked to, or what went wrong."""
        place = self.folder / package
        if (place / "done").exists():
            return place, ""
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if problem := self.apt(
            *(("source", "--download-only", "--tar-only") if is_source else ("download",)), package, place=place
        ):
            return None, problem
        try:
            for path in sorted(place.iterdir()):
                _unpack(path, place / "tree")
        except (OSError, tarfile.TarError, subprocess.SubprocessError) as error:
            return None, str(error)
        (place / "done").touch()
        return place, ""


def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


def _unpack(path: Path, tree: Path) -> None:
    if path.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", path, tree], check=True, timeout=120)
    elif ".orig" in path.name and ".tar" in path.name and not path.name.endswith(".asc"):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isreg() and PurePosixPath(member.name).suffix.lower() in ENDINGS:
                    archive.extract(member, tree, filter="data")


def chosen(tree: Path, most: int) -> Iterator[Path]:
    """Files of each ending, the same each time, without those that are meant to fail."""
    seen: Counter[str] = Counter()
    for path in sorted(tree.rglob("*")):
        ending = path.suffix.lower()
        if ending not in ENDINGS or path.is_symlink() or not path.is_file():
            continue
        if (
            any(word in str(path.relative_to(tree)).lower() for word in _BROKEN)
            or not 0 < path.stat().st_size < _LARGEST
        ):
            continue
        if seen[ending] < most:
            seen[ending] += 1
            yield path


def collect(folder: Path, most: int) -> list[str]:
    """Real files into FOLDER/files/real; what could not be fetched."""
    debian = Debian(folder / "packages")
    missing = []
    if problem := debian.apt("update", place=folder):
        return [f"all packages of Debian: {problem}"]
    sources = " ".join(SOURCE).split()
    for package in (*" ".join(BINARY).split(), *sources):
        place, problem = debian.fetch(package, is_source=package in sources)
        if place is None:
            missing.append(f"{package}: {problem}")
            continue
        for number, path in enumerate(chosen(place / "tree", most)):
            target = folder / "files" / "real" / package / f"{number:03}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copyfile(path, target)
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--generated-only", action="store_true")
    parser.add_argument("--most", type=int, default=40)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{generate(folder / 'files' / 'generated')} files were generated")
    missing = ["all packages of Debian: not asked for"] if arguments.generated_only else collect(folder, arguments.most)
    found = Counter(path.suffix.lower() for path in (folder / "files").rglob("*") if path.is_file())
    print(", ".join(f"{ending} {count}" for ending, count in sorted(found.items())))
    print(f"{sum(found.values())} files in {folder / 'files'}")
    for line in missing:
        print(f"missing: {line}")


if __name__ == "__main__":
    main()
