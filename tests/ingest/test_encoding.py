"""Bytes of many encodings are read in theirs; nothing raises, and no NUL or lone surrogate comes out."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.ingest.encoding import clean, decode, looks_binary

JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。"
RUSSIAN = "Москва является столицей России. В этом городе живёт больше двенадцати миллионов человек."
SENTENCES = [
    ("cp932", JAPANESE),
    ("euc_jp", JAPANESE),
    ("iso2022_jp", JAPANESE),
    ("gb18030", "北京是中华人民共和国的首都，也是全国的政治、文化中心。这座城市有三千多年的历史。"),
    ("big5", "台北是中華民國的首都，也是台灣的政治、文化中心。這座城市有很多好吃的東西。"),
    ("cp949", "서울은 대한민국의 수도이다. 이 도시에는 많은 사람들이 살고 있으며 오랜 역사를 가지고 있다."),
    ("koi8_r", RUSSIAN),
    ("cp1251", RUSSIAN),
    ("cp1252", "“Größe” ist wichtig – so sagt man’s. Für die Straße gilt das auch. Très élégant café, naïve."),
    ("cp1252", "He said “it’s fine” – and left. The price is € 5."),
    ("cp1252", "La situación económica del país mejoró el año pasado según señaló el señor Núñez."),
    ("cp1252", "Le garçon a mangé des pâtes à l'hôtel où il était. L’été, c’est très agréable. Œuvre."),
    ("cp1252", "Rødgrød med fløde på bordet, æble og ål."),
    ("cp1252", "Questo è più bello perché la città è così grande."),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy. Je to velmi důležité pro všechny."),
    ("cp1250", "Árvíztűrő tükörfúrógép. A magyar nyelv nagyon szép, és sok ember beszéli őt."),
    ("iso8859_2", "Zażółć gęślą jaźń. W Polsce mieszka około trzydziestu ośmiu milionów ludzi, większość w miastach."),
    ("cp1253", "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας. Στην πόλη ζουν πολλοί άνθρωποι."),
    ("cp1254", "İstanbul Türkiye'nin en kalabalık şehridir. Güneş doğdu, çocuklar sokağa çıktı."),
    ("cp1255", "ירושלים היא בירת ישראל והעיר הגדולה ביותר בה. גרים בה אנשים רבים."),
    ("cp1256", "القاهرة هي عاصمة جمهورية مصر العربية وأكبر مدنها. يعيش فيها ملايين الناس."),
]


@pytest.mark.parametrize(("encoding", "text"), SENTENCES)
@pytest.mark.parametrize("times", [1, 2000])
def test_a_few_sentences_are_read_in_their_encoding(encoding: str, text: str, times: int) -> None:
    whole = "\r\n".join([text] * times)
    decoded = decode(whole.encode(encoding))
    assert (decoded.text, decoded.broken) == (whole, 0)
    assert not looks_binary(whole.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_wide_encodings_need_no_mark(encoding: str, mark: str) -> None:
    text = "Größe\r\n\r\nText “über” 語 𝔵\n"
    data = (mark + text).encode(encoding)
    decoded = decode(data)
    assert (decoded.text, decoded.encoding, decoded.broken) == (text, encoding, 0)
    assert not looks_binary(data)


def test_a_mark_is_believed_before_what_is_declared_and_that_before_all_else() -> None:
    assert decode(b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe", declared="latin-1").text == "grüße"
    assert decode("grüße".encode(), declared="iso-8859-1").text == "grÃ¼ÃŸe"
    assert decode(RUSSIAN.encode("iso8859_5"), declared=" 'ISO-8859-5' ").text == RUSSIAN


@pytest.mark.parametrize(
    "declared", ["", "zip", "hex", "no such", "a\0b", "undefined", "utf-16", "unicode_escape", "idna"]
)
def test_a_declaration_that_names_no_encoding_of_files_does_no_harm(declared: str) -> None:
    assert decode("grüße \\u0041".encode(), declared=declared).text == "grüße \\u0041"


def test_a_few_broken_bytes_leave_utf8_readable_and_are_counted() -> None:
    data = bytearray("Größe über 日本語, ".encode() * 50)
    for place in (40, 400):
        data[place] = 0xFF
    decoded = decode(bytes(data))
    assert (decoded.encoding, "\ufffd" in decoded.text) == ("utf-8", True)
    assert decoded.broken >= 2
    assert decoded.text.count("日本語") >= 47
    assert decode("日本語のテキスト".encode()[:-1]).text.startswith("日本語のテキス")


def test_genuine_replacement_characters_are_not_counted() -> None:
    assert decode("a \ufffd b".encode()).broken == 0


def test_one_accent_in_ascii_is_western() -> None:
    assert decode(b"caf\xe9").text == "café"


@pytest.mark.parametrize(
    "data", [b"\xff\xfea\x00\x00\xd8a", b"\xff\xfe\x00", b"\xff\xfe\0\0\0\xd8\0\0", b"\xfe\xff\xd8"]
)
def test_broken_wide_text_is_replaced_and_counted(data: bytes) -> None:
    decoded = decode(data)
    assert decoded.broken >= 1
    assert "\0" not in decoded.text
    decoded.text.encode()


@given(text=st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"])))
def test_utf8_comes_back_as_it_was(text: str) -> None:
    if "\x1b$" in text:
        return
    assert decode(text.encode()).text == text
    assert decode(text.encode("utf-8-sig")).text == text


@given(
    data=st.binary(max_size=300), declared=st.sampled_from(["", "utf-8", "cp932", "latin-1", "utf-7", "utf-16", "x"])
)
def test_any_bytes_are_text_without_nul_and_surrogates(data: bytes, declared: str) -> None:
    decoded = decode(data, declared=declared)
    assert "\0" not in decoded.text
    decoded.text.encode()
    assert decoded.broken >= 0
    looks_binary(data)


@given(text=st.text())
def test_cleaned_text_can_be_written(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(cleaned) == len(text)


@pytest.mark.parametrize(
    ("data", "binary"),
    [
        (b"", False),
        (b"plain\ttext\r\n\x0c", False),
        (b"a\0b", True),
        (bytes(range(256)) * 4, True),
        (b"\x01\x02\x03 text" * 10, True),
        ("ünïcödé".encode("cp1252"), False),
        (b"\x1b[31mred\x1b[0m", False),
    ],
)
def test_binary_is_told_from_text(data: bytes, binary: bool) -> None:
    assert looks_binary(data) is binary


def test_guessing_looks_at_the_beginning_only() -> None:
    data = ("Größe – «über»\n" * 300_000).encode("cp1252")
    start = time.process_time()
    assert decode(data).encoding == "cp1252"
    assert time.process_time() - start < 5


def test_a_log_with_nuls_is_text_and_a_table_of_numbers_is_not() -> None:
    log = b"2026-01-02 a line of a log\n" * 100 + bytes(512) + b"2026-01-03 another line\n" * 50
    assert not looks_binary(log)
    assert decode(log).broken == 512
    assert not looks_binary(b"A sentence. " * 100 + b"\0" + "Größe. ".encode() * 10)
    for binary in (b"ABC\0\0\1\0" * 300, bytes(range(256)) * 8, b"text" * 20 + bytes(300), b"a\0\x80\x90\xff\xfe" * 50):
        assert looks_binary(binary)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет, как дела? Море сегодня спокойное.", "koi8_r"),
        ("Der Zug fährt über die Brücke nach Köln. Größe zählt.", "cp850"),
        ("Le café est fermé. Où êtes-vous déjà allé?", "cp850"),
        ("ﾊﾝｶｸ ｶﾀｶﾅ ﾉ ﾃｷｽﾄ ﾃﾞｽ", "cp932"),
        ("He said ‘wait…what’, „so“ and “so”—5‰.", "cp1252"),
    ],
)
def test_short_texts_of_old_machines_are_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_a_few_bad_bytes_in_plain_text_are_told() -> None:
    decoded = decode(b"plain ascii text " * 50 + b"\xff\xfe\xc3( \xe2\x82 and more text")
    assert decoded.text.startswith("plain ascii text ")
    assert decoded.broken >= 3
