"""Where text is preferably cut: by its format's own structure, then paragraphs, lines, sentences, clauses, words.

Regular expressions on the shadow of a text: as long, each line end one `\\n` at the place of its last character.
"""

from __future__ import annotations

from functools import cache
from typing import Final

_FORMAT_NAMES: Final = {"md": "markdown", "py": "python", "javascript": "js", "typescript": "ts", "htm": "html"}
_PARAGRAPH: Final = r"\n[ \t]*\n"
_LINE: Final = r"\n"
# After the blank that follows Western, Arabic and Indic sentence ends, and directly after those of CJK, with their
# closing quotes.
_SENTENCE: Final = (
    r"(?<=[.!?…؟۔।॥]\s)|(?<=[.!?…][\"'”’»)\]]\s)|(?<=[。！？｡])(?![」』”’）】〕》」])|(?<=[。！？｡][」』”’）】〕》」])"
)
_CLAUSE: Final = r"(?<=[,;:،؛]\s)|(?<=[，、；：､])"
_WORD: Final = r"(?<=\s)(?=\S)"
_OWN: Final = (_PARAGRAPH, _LINE, _SENTENCE, _CLAUSE, _WORD)
_GENERAL: Final = frozenset({"\n\n", "\n", " ", ""})
_LINE_ENDS: Final = str.maketrans("\r\x0b\x0c\x85\u2028\u2029", "\n" * 6)


def shadow_of(content: str) -> str:
    """`content` with every kind of line end as `\\n`, and as long: of CRLF the first character becomes a blank."""
    return content.replace("\r\n", " \n").translate(_LINE_ENDS) if _has_other_line_ends(content) else content


def _has_other_line_ends(content: str) -> bool:
    return any(character in content for character in "\r\x0b\x0c\x85\u2028\u2029")


@cache
def separators_of(fmt: str) -> tuple[str, ...]:
    """The separators of a format, best first; those of text for a format that is not known."""
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    name = _FORMAT_NAMES.get(fmt.lower(), fmt.lower())
    if name not in {language.value for language in Language}:
        return _OWN
    try:
        structure = RecursiveCharacterTextSplitter.get_separators_for_language(Language(name))
    except ValueError:  # It names languages that it has no separators for.
        return _OWN
    return (*(one for one in structure if one not in _GENERAL), *_OWN)
