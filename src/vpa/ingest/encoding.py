"""Which encoding bytes of text are in. Line ends stay as they are; NUL and lone surrogates become U+FFFD."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

_LOOKED_AT: Final = 1 << 16
_REPLACED: Final = "\ufffd"
# The longer marks first: that of UTF-32 begins as that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Codecs of Python that are no encodings of files, or take quadratic time.
_NOT_FOR_FILES: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7"})
# Browsers read these names as Windows' superset too (WHATWG Encoding Standard).
_SUPERSETS: Final = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030"}
_SAME: Final = {
    "euc_jis_2004": "euc_jp",
    "euc_jisx0213": "euc_jp",
    "shift_jis": "cp932",
    "shift_jis_2004": "cp932",
    "shift_jisx0213": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5hkscs": "big5",
    "euc_kr": "cp949",
}
_LATIN: Final = re.compile(
    r"cp125[0247]|cp(437|500|775|8[56]\d|1006|1026|1047|1140|037)|iso8859_(1|2|3|4|9|10|13|14|15|16)|latin_1|mac_(?!cyr|greek)\w+"
    r"|hp_roman8|utf_\w+|ascii|kz1048|ptcp154|tis_620"
)
_CENTRAL: Final = frozenset({"cp1250", "cp1254", "cp1257", "iso8859_2"})
# Signs that no Western word holds; letters of other alphabets look like them in cp1252.
_SIGN_IN_WORD: Final = re.compile(
    r"[^\W\d_][¹³ºª¶±¼¾½¿¡£¥¦§¨«¬­®¯°µ·¸»][^\W\d_]|(?<!\S)[¶±³¹¼£][^\W\d_]{2}|[^\W\d_][„‚ˆ]"
)
# Half-width katakana, which few texts are written in; letters of KOI8 look like them in cp932.
_KATAKANA: Final = re.compile("[\uff66-\uff9f]")
_KATAKANA_ALONE: Final = 0.3
# Headers of binary files have more runs of NULs than these.
_NULS: Final = re.compile(rb"\0+")
_FEW_NULS: Final = 4
_SHORT: Final = 256
# With fewer bytes that are not ASCII than this, and this share of them, a text tells no encoding.
_FEW, _FEW_SHARE = 8, 0.02
# Letters that no Western language has together; each group with the other.
_STRANGERS: Final = (("ø", "ìèùò"), ("þ", "ãîü"), ("þðý", "çü"), ("õ", "û"), ("æ", "ñ"))
_NON_TEXT: Final = bytes(frozenset((*range(32), 127)) - frozenset(b"\t\n\r\f\x1b\x08\x1a"))
_ASCII: Final = bytes((*range(32, 127), *b"\t\n\r\f"))
_UNSAFE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, its encoding by Python's name, and how many places could not be decoded and read U+FFFD."""

    text: str
    encoding: str
    broken: int = 0


def decode(data: bytes, *, declared: str = "") -> Decoded:
    """The text of bytes; never raises. `declared` is what the file says of itself: tried after a byte order mark."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _forced(data[len(mark) :], encoding)
    declared = _usable(declared)
    # The escapes of this encoding are ASCII too.
    escaped = "iso2022_jp" if b"\x1b$" in data[:_LOOKED_AT] else ""
    for encoding in filter(None, (declared, escaped, "utf-8", wide_encoding(data))):
        text = _strict(data, encoding)
        if text is not None and "\0" not in text:
            return Decoded(text, encoding)
    return _damaged_utf8(data) or _guessed(data)


def clean(text: str) -> str:
    """The text with U+FFFD for what no store takes: NUL and lone surrogates."""
    return text if text.isascii() and "\0" not in text else _UNSAFE.sub(_REPLACED, text)


def looks_binary(data: bytes) -> bool:
    """Whether bytes (the beginning of a file will do) are no text in any encoding."""
    data = data[:_LOOKED_AT]
    if not data or any(data.startswith(mark) for mark, _ in _MARKS) or wide_encoding(data):
        return False
    if b"\0" in data:
        return not _is_text_with_nuls(data)
    return len(data) - len(data.translate(None, _NON_TEXT)) > len(data) * 0.02


def wide_encoding(data: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, by where NUL bytes are; empty where it is neither."""
    data = data[: _LOOKED_AT & ~3]
    if data.count(0) < 2:
        return ""
    shares = [data[place::4].count(0) / max(1, len(data[place::4])) for place in range(4)]
    if len(data) % 4 == 0 and min(shares[2:]) > 0.95 and shares[0] < 0.1:
        return _if_text(data, "utf-32-le")
    if len(data) % 4 == 0 and min(shares[:2]) > 0.95 and shares[3] < 0.1:
        return _if_text(data, "utf-32-be")
    even, odd = shares[0] + shares[2], shares[1] + shares[3]
    if min(even, odd) > 0.1 * max(even, odd) or _is_ascii_with_nuls(data):
        return ""
    return _if_text(data, "utf-16-le" if odd > even else "utf-16-be")


def _is_ascii_with_nuls(data: bytes) -> bool:
    """Whether bytes are rather ASCII with some NULs in it, as damage leaves them, than letters of two bytes."""
    nuls = data.count(0)
    return nuls * 4 < len(data) and len(data.translate(None, _ASCII)) - nuls <= len(data) * 0.02


def _is_text_with_nuls(data: bytes) -> bool:
    """Whether bytes are text but for some NULs, as a machine that went down in the middle leaves them in a log."""
    if len(data) < _SHORT or len(_NULS.findall(data)) > _FEW_NULS:
        return False
    rest = data.replace(b"\0", b"")
    if 4 * len(rest) < 3 * len(data) or len(rest) - len(rest.translate(None, _NON_TEXT)) > len(rest) * 0.002:
        return False
    broken = rest.decode("utf-8", "replace").count(_REPLACED)
    return broken <= 1 or len(rest.translate(None, _ASCII)) < len(rest) * 0.05


def _if_text(data: bytes, encoding: str) -> str:
    text = data[: len(data) & ~1].decode(encoding, "replace")
    strange = sum(not (character.isprintable() or character.isspace()) for character in text)
    return encoding if strange + text.count(_REPLACED) <= len(text) * 0.02 else ""


def _forced(data: bytes, encoding: str) -> Decoded:
    text = _strict(data, encoding)
    if text is None:
        text = data.decode(encoding, "replace")
        return Decoded(clean(text), encoding, text.count(_REPLACED) + len(_UNSAFE.findall(text)))
    broken = text.count("\0")
    return Decoded(clean(text) if broken else text, encoding, broken)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (LookupError, ValueError):
        return None
    return None if _UNSAFE.search(text) and "\0" not in text else text


def _usable(declared: str) -> str:
    try:
        name = codecs.lookup(declared.strip().strip("'\"")).name if declared else ""
        b"".decode(name or "utf-8")
    except (LookupError, ValueError):
        return ""
    # A file that its program read as text up to this declaration is in no encoding of two bytes for each letter.
    return (
        ""
        if name.replace("-", "_") in _NOT_FOR_FILES or name.startswith(("utf-16", "utf-32"))
        else _SUPERSETS.get(name, name)
    )


def _damaged_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with a few broken bytes: most sequences of several bytes are right."""
    text = data.decode("utf-8", "replace")
    genuine = data.count("\ufffd".encode())
    broken = text.count(_REPLACED) - genuine
    whole = sum(not character.isascii() for character in text) - broken
    if broken * 100 > len(data) + 100 or whole < 2 * broken:
        return None
    return Decoded(clean(text), "utf-8", broken + text.count("\0"))


def _guessed(data: bytes) -> Decoded:
    beginning = data[:_LOOKED_AT]
    if len(data) > len(beginning):
        # A character of several bytes must not be cut.
        beginning = beginning[: beginning.rfind(b"\n") + 1 or beginning.rfind(b" ") + 1 or len(beginning)]
    encoding = _guess(beginning)
    text = _strict(data, encoding)
    if text is None or "\0" in text:
        text = data.decode(encoding, "replace")
    unsafe = len(_UNSAFE.findall(text))
    return Decoded(clean(text), encoding, text.count(_REPLACED) + unsafe)


def _guess(data: bytes) -> str:
    reading = data.decode("cp1252", "replace")
    high = sum(byte > 127 for byte in data)
    western = not _is_strange(reading)
    if western and high * 4 < len(data):
        return "cp1252"
    if high <= _FEW and high < _FEW_SHARE * len(data):
        return "utf-8"
    verdict = _by_statistics(data)
    if verdict == "cp932":
        letters = [character for character in data.decode("cp932", "replace") if not character.isascii()]
        if sum(map(bool, map(_KATAKANA.match, letters))) > _KATAKANA_ALONE * len(letters) and _is_russian(data):
            return "koi8_r"
    if verdict in _CENTRAL:
        return "cp1252" if western else verdict
    if not verdict or _LATIN.fullmatch(verdict):
        return _central(data) if not western else "cp1252"
    return verdict


def _is_russian(data: bytes) -> bool:
    """Whether bytes are Russian in KOI8-R: words of small letters, and capitals only before them."""
    text = data.decode("koi8_r")
    letters = re.findall("[а-яёА-ЯЁ]", text)
    odd = len(re.findall("[а-яё][А-ЯЁ]", text)) + sum(not (one.isascii() or one.isalpha()) for one in text)
    return len(letters) > 10 and odd * 20 < len(letters) and sum(map(str.islower, letters)) * 4 > 3 * len(letters)


def _by_statistics(data: bytes) -> str:
    """What charset-normalizer says; empty where it does not know, or is not installed."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return ""
    best = from_bytes(data).best()
    return "" if best is None else _SAME.get(best.encoding, best.encoding)


def _central(data: bytes) -> str:
    """Central European, or of DOS, where cp1252 reads nonsense: the encoding without signs inside words."""
    for encoding in ("cp1250", "iso8859_2", "cp1254", "cp850"):
        reading = _strict(data, encoding)
        if reading is not None and not _SIGN_IN_WORD.search(reading) and not re.search("[\x80-\x9f]", reading):
            return encoding
    return "cp1252"


def _is_strange(reading: str) -> bool:
    if _REPLACED in reading or _SIGN_IN_WORD.search(reading):
        return True
    lower = set(reading.lower())
    return any(lower & set(these) and lower & set(those) for these, those in _STRANGERS)
