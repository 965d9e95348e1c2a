"""Files about an invented harbour, in many formats, for demo_files.py: written with what the extra `ingest` brings."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

_TIDES = """---
title: Tides at Kettle Bay
tags: [tides, moon]
---

# Tides at Kettle Bay

## Why the water moves

The moon draws the water of the sea, and the sun helps or hinders it. High water comes twice in a lunar day, about fifty
minutes later each day.

## Spring and neap

At new and full moon the sun and the moon pull in one line: their pulls add up, so that high waters are higher and low
waters lower. These are spring tides, with a range of 5.2 metres. At the half moons they pull at right angles and partly
cancel out; neap tides have a range of 2.6 metres.

## The race off the point

Where the ebb meets the swell from the west a race forms, two hours before low water. Small boats keep half a mile off.
"""

_HARBOUR_PAGES = (
    (
        "Harbour guide",
        "Kettle Bay lies open to the north-east and is sheltered from all other winds.",
        "The approach is marked by four buoys. Keep the white tower in line with the church.",
        "Ships of more than sixty metres take a pilot, who boards a mile off the fairway buoy.",
        "The speed limit inside of the moles is four knots.",
    ),
    (
        "Berths and depths",
        "The fish quay has 3.4 metres of water at the lowest tide.",
        "The visitors' pontoon has 2.1 metres, the coal quay 5.8 metres.",
        "The inner basin dries out two hours before low water; boats that lie there need legs.",
        "Fuel and water are at the head of the coal quay.",
    ),
)

_LIGHTHOUSE = (
    (
        "The tower",
        "The lighthouse on the north mole was built of granite in 1864. It stands twenty-six metres high, and its "
        "walls are two metres thick at the foot.",
    ),
    (
        "The light",
        "The lamp shows two white flashes every fifteen seconds and is seen for eighteen miles. A clockwork with a "
        "falling weight turned the lens until 1951, when a motor took its place.",
    ),
    (
        "Fog",
        "In fog a horn sounds once a minute. Before it there was a bell, which the keeper rang by hand.",
    ),
)

_DUES = (
    ("length", "one night", "one week"),
    ("up to 8 metres", "12 crowns", "60 crowns"),
    ("8 to 10 metres", "16 crowns", "80 crowns"),
    ("10 to 12 metres, also yachts of eleven metres", "21 crowns", "105 crowns"),
    ("over 12 metres", "30 crowns", "150 crowns"),
)

_TALK = (
    ("Sand in the channel", "Three surveys in ten years", "The northern channel loses a hand of depth each winter"),
    ("What dredging costs", "One season with a bucket dredger: 90,000 crowns", "The sand goes to the eastern beach"),
)

_MINUTES = """Minutes of the harbour board, second of April

Present: the harbour master, the pilots, the fishers' guild.
1. The board decided to dredge the northern channel before the autumn gales. The guild pays a third of the cost.
2. The bell of the old fog signal is given to the museum.
"""

_NEWS = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Ferry times change</title></head><body>
<nav><a href="/">Home</a><a href="/news">News</a></nav>
<article><h1>Ferry times change</h1><p>From the first of May the ferry to the islands sails at 7.30, 12.15 and 18.00. On
Sundays the first crossing is left out.</p><p>In winds above force eight she stays in harbour.</p></article>
<footer>Kettle Bay Gazette</footer></body></html>
"""

_FILM = """1
00:00:02,000 --> 00:00:06,500
Before dawn the pilots row out to the fairway buoy.

2
00:00:07,000 --> 00:00:12,000
They read the colour of the water: green is deep, brown is the bank.
"""

_CHAT = """12/04/25, 19:02 - Harbour Watch: The buoy off the point has broken loose in the gale.
12/04/25, 19:05 - Pilot Station: Seen. We warn all ships on channel twelve and lay a new one on Monday.
12/04/25, 19:11 - Harbour Watch: Thank you. The race is bad tonight, waves of three metres.
"""

_SURVEY = (
    "place,depth at low water (metres),surveyed\nfairway,7.9,2024\nnorthern channel,2.8,2024\nfish quay,3.4,2023\n"
)
_FOG = "Fog comes mostly in May and June, with light winds from the east, and lifts before noon.\n"


def write_files(folder: Path) -> list[str]:
    """Make the folder; the names of its files."""
    files = {
        "tides.md": _TIDES.encode(),
        "harbour guide.pdf": pdf(_HARBOUR_PAGES),
        "lighthouse.docx": _docx(),
        "dues.xlsx": _xlsx(),
        "dredging.pptx": _pptx(),
        "ferry.html": _NEWS.encode(),
        "board.eml": _mail(),
        "pilots.srt": _FILM.encode(),
        "watch.txt": _CHAT.encode(),
        "survey.zip": _zip(),
        "questions.json": _turns(),
        "notes/fog.txt": _FOG.encode(),
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return list(files)


def pdf(pages: tuple[tuple[str, ...], ...]) -> bytes:
    """Pages of a title and lines in Helvetica, which every program has."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for title, *lines in pages:
        content = b"BT /F 18 Tf 60 770 Td (%s) Tj /F 11 Tf 0 -36 Td 16 TL" % _escaped(title)
        content += b"".join(b" (%s) Tj T*" % _escaped(line) for line in lines) + b" ET"
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>"
            % (len(objects) + 2)
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    body, places = b"%PDF-1.4\n", []
    for number, data in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    return (
        body
        + head
        + table
        + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    )


def _escaped(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _docx() -> bytes:
    import docx

    made = docx.Document()
    made.core_properties.title = "The lighthouse of Kettle Bay"
    made.core_properties.author = "Harbour Museum"
    made.core_properties.created = datetime(2025, 3, 1, tzinfo=UTC)
    for heading, text in _LIGHTHOUSE:
        made.add_heading(heading, 1)
        made.add_paragraph(text)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def _xlsx() -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as made:
        sheet = made.add_worksheet("Dues")
        for number, row in enumerate(_DUES):
            sheet.write_row(number, 0, row)
    return buffer.getvalue()


def _pptx() -> bytes:
    import pptx

    made = pptx.Presentation()
    for title, *lines in _TALK:
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(lines)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def _mail() -> bytes:
    made = EmailMessage()
    made["From"] = "Harbour Board <board@kettle.example>"
    made["To"] = "All berth holders <berths@kettle.example>"
    made["Subject"] = "Minutes of April"
    made["Date"] = "Thu, 03 Apr 2025 09:00:00 +0000"
    made.set_content("Dear berth holders,\n\nattached are the minutes of yesterday's meeting.\n")
    made.add_attachment(_MINUTES.encode(), maintype="text", subtype="plain", filename="minutes.txt")
    return bytes(made)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("survey/depths.csv", _SURVEY)
        archive.writestr("survey/readme.txt", "Depths were measured with a lead line and checked by echo sounder.\n")
    return buffer.getvalue()


def _turns() -> bytes:
    turns = [
        {"role": "user", "content": "When does the inner basin dry out?"},
        {"role": "assistant", "content": "Two hours before low water; it is afloat again two hours after it."},
    ]
    return json.dumps(turns).encode()
