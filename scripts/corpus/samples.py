"""Well-formed files of every format that vpa reads, as bytes, made from a seed: texts, tables, conversations.

`sample(ending, seed)` gives the bytes of one; `ENDINGS` are those it knows. Formats that need a library of the `dev`
extra are in `sample_office.py`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from typing import Any

_WORDS = {
    "en": (
        "the harbour keeps a record of tides and winds for every ship that enters before noon while surveyors measure "
        "depth currents salinity temperature pressure along marked lines between buoys lighthouse keepers describe fog "
        "signals lamps lenses clockwork engineers compare dredging methods costs results across several decades"
    ),
    "de": (
        "der Hafen führt ein Verzeichnis über Gezeiten und Stürme für jedes Schiff das während der Flut einläuft Größe "
        "Tiefe Strömung Salzgehalt Wärme Luftdruck werden längs der Fahrrinne gemessen Leuchtturmwärter beschreiben "
        "Nebel Lampen Linsen Uhrwerke Küste Mündung Brücke Schleuse"
    ),
    "fr": (
        "le port tient un registre des marées et des vents pour chaque navire entré avant midi les géomètres mesurent "
        "la profondeur les courants la salinité entre les bouées répérées gardiens décrivent brouillard signaux "
        "lentilles mécanisme côte rivière écluse méthode"
    ),
    "ru": (
        "порт ведёт журнал приливов и ветров для каждого судна вошедшего до полудня измеряют глубину течения солёность "
        "температуру давление между буями смотрители маяка описывают туман сигналы лампы линзы"
    ),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A title, sections of paragraphs, and a table with a header."""

    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, ...], ...]


def text_of(seed: int, *, language: str = "", sections: int = 4) -> Text:
    """A text that differs from those of other seeds."""
    rng = random.Random(seed)
    words = _WORDS[language or rng.choice(("en", "en", "de", "fr"))].split()

    def sentence() -> str:
        chosen = rng.sample(words, min(len(words), rng.randint(8, 16)))
        return " ".join(chosen).capitalize() + rng.choice(".?.")

    def heading() -> str:
        return " ".join(rng.sample(words, 3)).capitalize()

    body = tuple(
        (heading(), tuple(" ".join(sentence() for _ in range(rng.randint(2, 5))) for _ in range(rng.randint(2, 4))))
        for _ in range(sections)
    )
    header = ("station", "observed", "remark")
    rows = tuple(
        (f"Station {n}", f"{rng.uniform(0, 9):.2f}", " ".join(rng.sample(words, 4))) for n in range(rng.randint(5, 12))
    )
    return Text(f"Report {seed}: {heading()}", body, (header, *rows))


def plain(text: Text) -> str:
    """Headings and paragraphs with blank lines between."""
    return "\n\n".join([text.title, *(part for heading, body in text.sections for part in (heading, *body))]) + "\n"


def markdown(text: Text) -> str:
    """With front matter, headings and a table."""
    body = "\n\n".join(part for heading, body in text.sections for part in (f"## {heading}", *body))
    table = "\n".join("| " + " | ".join(row) + " |" for row in (text.rows[0], ("---",) * 3, *text.rows[1:]))
    return f"---\ntitle: '{text.title}'\ntags: [sea, survey]\n---\n\n# {text.title}\n\n{body}\n\n{table}\n"


def rst(text: Text) -> str:
    """With underlined headings."""
    parts = [text.title, "=" * len(text.title), ""]
    for heading, body in text.sections:
        parts += [heading, "-" * len(heading), "", *(line for one in body for line in (one, ""))]
    return "\n".join(parts)


def html(text: Text) -> str:
    """An article between navigation and footer."""
    body = "".join(
        f"<h2>{escape(heading)}</h2>" + "".join(f"<p>{escape(one)}</p>\n" for one in body)
        for heading, body in text.sections
    )
    table = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in text.rows)
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(text.title)}</title></head><body>'
        f'<nav><a href="/">Home</a> <a href="/about">About</a></nav><article><h1>{escape(text.title)}</h1>{body}'
        f"<table>{table}</table></article><footer>Imprint</footer></body></html>"
    )


def xhtml(text: Text) -> str:
    """A chapter."""
    body = "".join(
        f"<h2>{escape(heading)}</h2>" + "".join(f"<p>{escape(one)}</p>" for one in body)
        for heading, body in text.sections
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head>'
        f"<title>{escape(text.title)}</title></head><body><h1>{escape(text.title)}</h1>{body}</body></html>"
    )


def xml(text: Text) -> str:
    """Records."""
    rows = "".join(
        "<record>"
        + "".join(f"<{name}>{escape(cell)}</{name}>" for name, cell in zip(text.rows[0], row, strict=True))
        + "</record>\n"
        for row in text.rows[1:]
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<records><title>{escape(text.title)}</title>{rows}</records>'


def delimited(text: Text, delimiter: str) -> str:
    """The table."""
    return "\r\n".join(delimiter.join(row) for row in text.rows) + "\r\n"


def rtf(text: Text) -> str:
    """Paragraphs, with escapes for what is not ASCII."""

    def escaped(part: str) -> str:
        part = part.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}")
        return "".join(
            one if ord(one) < 128 else f"\\u{ord(one) if ord(one) < 32768 else ord(one) - 65536}?" for one in part
        )

    body = "\\par\n".join(escaped(part) for part in plain(text).split("\n\n"))
    return "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fswiss Helvetica;}}\\f0\\fs24 " + body + "\\par}"


def python(text: Text) -> str:
    """Functions with docstrings."""
    functions = [
        f'def part_{n}():\n    """{heading}."""\n    return "{body[0]}"\n'
        for n, (heading, body) in enumerate(text.sections)
    ]
    return f'"""{text.title}"""\n\n\n' + "\n\n".join(functions)


def notebook(text: Text) -> str:
    """A cell of text and one of code for each section."""
    cells: list[dict[str, Any]] = []
    for heading, body in text.sections:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": [f"## {heading}\n", "\n", *body]})
        code = {
            "cell_type": "code",
            "metadata": {},
            "execution_count": 1,
            "source": [f"print({body[0]!r})"],
            "outputs": [],
        }
        cells.append(code)
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def message(text: Text, *, number: int = 0, with_attachment: bool = True) -> EmailMessage:
    """A message, with the table attached."""
    made = EmailMessage()
    made["From"] = "Harbour Office <office@harbour.example>"
    made["To"] = "Survey <survey@harbour.example>"
    made["Subject"] = text.title
    made["Date"] = f"Tue, {1 + number % 28:02} Apr 2025 10:00:00 +0000"
    made["Message-ID"] = f"<{number}.{zlib.crc32(text.title.encode())}@harbour.example>"
    made.set_content(plain(text))
    if with_attachment:
        made.add_attachment(delimited(text, ",").encode(), maintype="text", subtype="csv", filename="table.csv")
    return made


def mbox(text: Text) -> bytes:
    """A message a section."""
    parts = []
    for number, (heading, body) in enumerate(text.sections):
        one = message(Text(heading, ((heading, body),), text.rows), number=number, with_attachment=number == 0)
        parts.append(b"From office@harbour.example Tue Apr  1 10:00:00 2025\n" + bytes(one) + b"\n")
    return b"".join(parts)


def _clock(seconds: int, sign: str) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{sign}000"


def srt(text: Text) -> str:
    """A cue a paragraph."""
    cues = [one for _, body in text.sections for one in body]
    return "".join(
        f"{n + 1}\n{_clock(5 * n, ',')} --> {_clock(5 * n + 4, ',')}\n{cue}\n\n" for n, cue in enumerate(cues)
    )


def vtt(text: Text) -> str:
    """A cue a paragraph."""
    cues = [one for _, body in text.sections for one in body]
    return "WEBVTT\n\n" + "".join(
        f"{_clock(5 * n, '.')} --> {_clock(5 * n + 4, '.')}\n{cue}\n\n" for n, cue in enumerate(cues)
    )


def epub(text: Text) -> bytes:
    """A chapter a section."""
    names = [f"chapter{n}.xhtml" for n in range(len(text.sections))]
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(names)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(names)))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">x</dc:identifier>'
        f"<dc:title>{escape(text.title)}</dc:title><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="OPS/p.opf" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>"
    )
    members = {"META-INF/container.xml": container, "OPS/p.opf": package}
    for name, section in zip(names, text.sections, strict=True):
        members[f"OPS/{name}"] = xhtml(Text(section[0], (section,), text.rows))
    return zipped(members, first=("mimetype", "application/epub+zip"))


def zipped(members: dict[str, str | bytes], *, first: tuple[str, str] | None = None) -> bytes:
    """A ZIP file; `first` is stored as the first member, without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if first is not None:
            archive.writestr(zipfile.ZipInfo(first[0]), first[1])
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def tarred(members: dict[str, str | bytes], mode: str = "w") -> bytes:
    """A tar file; `mode` as in `tarfile.open`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            raw = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return buffer.getvalue()


def _members(text: Text) -> dict[str, str | bytes]:
    return {"report/notes.md": markdown(text), "report/table.csv": delimited(text, ",")}


def _turns(text: Text) -> list[tuple[str, str]]:
    said = [one for _, body in text.sections for one in body]
    return [(("user", "assistant")[n % 2], one) for n, one in enumerate(said)]


def chatgpt(text: Text) -> str:
    """An export with a conversation."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["n0"]}}
    for n, (role, said) in enumerate(_turns(text)):
        content = {"content_type": "text", "parts": [said]}
        mapping[f"n{n}"] = {
            "id": f"n{n}",
            "parent": f"n{n - 1}" if n else "root",
            "children": [],
            "message": {"author": {"role": role}, "create_time": 1.7e9 + 60 * n, "content": content},
        }
    return json.dumps([{"title": text.title, "mapping": mapping, "current_node": list(mapping)[-1], "id": "c1"}])


def slack(text: Text) -> str:
    """A day of a channel."""
    names = {"user": "Ann Shore", "assistant": "Ben Quay"}
    return json.dumps(
        [
            {
                "type": "message",
                "user": f"U{role}",
                "user_profile": {"real_name": names[role]},
                "text": said,
                "ts": f"{1700000000 + 60 * n}.000100",
            }
            for n, (role, said) in enumerate(_turns(text))
        ]
    )


def telegram(text: Text) -> str:
    """The export of a chat."""
    messages = [
        {
            "id": n,
            "type": "message",
            "date": f"2024-05-01T10:{n:02}:00",
            "from": role.title(),
            "from_id": f"user{n % 2}",
            "text": said,
        }
        for n, (role, said) in enumerate(_turns(text))
    ]
    return json.dumps({"name": text.title, "type": "personal_chat", "id": 7, "messages": messages})


def whatsapp(text: Text) -> str:
    """The export of a chat, Android's way."""
    return "\n".join(f"31/12/23, 21:{n:02} - {role.title()}: {said}" for n, (role, said) in enumerate(_turns(text)))


def roles(text: Text) -> str:
    """A list of turns."""
    return json.dumps([{"role": role, "content": said} for role, said in _turns(text)])


def role_lines(text: Text) -> str:
    """A turn a line."""
    return "\n".join(json.dumps({"role": role, "content": said}) for role, said in _turns(text))


def speakers(text: Text) -> str:
    """A table of who said what."""
    return "speaker,text\n" + "".join(f'{role},"{said}"\n' for role, said in _turns(text))


def data(text: Text) -> str:
    """Records of JSON."""
    rows = [dict(zip(text.rows[0], row, strict=True)) for row in text.rows[1:]]
    return json.dumps({"title": text.title, "notes": [one for _, body in text.sections for one in body], "rows": rows})


def data_lines(text: Text) -> str:
    """Lines of JSON."""
    parts = [(heading, one) for heading, body in text.sections for one in body]
    return "".join(
        json.dumps({"id": f"{text.title}/{n}", "title": heading, "text": one}) + "\n"
        for n, (heading, one) in enumerate(parts)
    )


def yaml(text: Text) -> str:
    """Settings."""
    return f"title: '{text.title}'\n" + "".join(
        f"part_{n}: >\n  {body[0]}\n" for n, (_, body) in enumerate(text.sections)
    )


_MAKERS: dict[str, Callable[[Text], str | bytes]] = {
    "txt": plain,
    "md": markdown,
    "rst": rst,
    "html": html,
    "xhtml": xhtml,
    "xml": xml,
    "csv": lambda text: delimited(text, ","),
    "tsv": lambda text: delimited(text, "\t"),
    "json": data,
    "jsonl": data_lines,
    "py": python,
    "yaml": yaml,
    "ipynb": notebook,
    "eml": lambda text: bytes(message(text)),
    "mbox": mbox,
    "srt": srt,
    "vtt": vtt,
    "rtf": rtf,
    "epub": epub,
    "zip": lambda text: zipped(_members(text)),
    "tar": lambda text: tarred(_members(text)),
    "tar.gz": lambda text: tarred(_members(text), "w:gz"),
    "tar.xz": lambda text: tarred(_members(text), "w:xz"),
    "txt.gz": lambda text: gzip.compress(plain(text).encode(), mtime=0),
    "txt.xz": lambda text: lzma.compress(plain(text).encode()),
    "txt.bz2": lambda text: bz2.compress(plain(text).encode()),
    "chatgpt.json": chatgpt,
    "slack.json": slack,
    "telegram.json": telegram,
    "roles.json": roles,
    "roles.jsonl": role_lines,
    "whatsapp.txt": whatsapp,
    "speakers.csv": speakers,
    "utf16.txt": lambda text: plain(text).encode("utf-16"),
    "latin1.txt": lambda text: plain(text).encode("cp1252", "replace"),
    "koi8.txt": lambda _: plain(text_of(3, language="ru")).encode("koi8-r", "replace"),
}
ENDINGS = tuple(_MAKERS)


def sample(ending: str, seed: int = 1) -> bytes:
    """The bytes of a well-formed file."""
    made = _MAKERS[ending](text_of(seed))
    return made.encode() if isinstance(made, str) else made
