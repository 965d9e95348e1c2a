"""The control words of RTF that a reader of text needs: what they write and where they lead, and codecs of fonts."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Final

# A control word with its number, an escaped byte, a control sign, a brace, ends of lines, or text.
TOKEN: Final = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?\ ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n\0]+|([^\\{}\r\n\0]+)|\\", re.DOTALL
)
WRITTEN: Final[Mapping[str, str]] = {
    "tab": "\t",
    "line": "\n",
    "lbr": "\n",
    "softline": "\n",
    "emdash": "\u2014",
    "endash": "\u2013",
    "emspace": "\u2003",
    "enspace": "\u2002",
    "qmspace": "\u2005",
    "bullet": "\u2022",
    "lquote": "\u2018",
    "rquote": "\u2019",
    "ldblquote": "\u201c",
    "rdblquote": "\u201d",
    "zwj": "\u200d",
    "zwnj": "\u200c",
    "~": "\u00a0",
    "_": "\u2011",
    "\\": "\\",
    "{": "{",
    "}": "}",
    "\t": "\t",
}
PARAGRAPH_ENDS: Final = frozenset({"par", "sect", "page", "column", "\n", "\r"})
HEADERS: Final = frozenset({"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"})
# Groups in which nothing is text that people see, or that repeat a text for older programs.
CLOSED: Final = frozenset(
    """
    colortbl stylesheet pict filetbl listtext pntext nonshppict shprslt sp fldinst nonesttables revtbl mmathPict xe tc
    tcn rxe ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn subject keywords operator comment doccomm company manager
    category hlinkbase revtim printim buptim template background listtable listoverridetable datafield
    """.split()  # noqa: SIM905
)
# Groups that an old program passes over ("\*") and of which the text is read all the same.
KNOWN: Final = frozenset(
    """
    shpinst shptxt do dptxbxtext annotation atnauthor ud moMath moMathPara footnote fldrslt shppict
    """.split()  # noqa: SIM905
)
# The code pages of \fcharset.
_CHARSETS: Final[Mapping[int, str]] = {
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gbk",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    255: "cp437",
}
PAGES: Final[Mapping[str, str]] = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}


def codec_of_page(number: int, *, instead: str) -> str:
    """The codec of a code page's number; `instead` where Python has none."""
    name = "utf-8" if number == 65001 else f"cp{number}"
    try:
        codecs.lookup(name)
    except LookupError:
        return instead
    return name


def codec_of_charset(number: int, *, instead: str) -> str:
    """The codec of a font's set of characters; `instead` for that of the file."""
    return _CHARSETS.get(number, instead)
