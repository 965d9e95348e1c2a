"""Conversations: exports of chat programs are recognised, and answers know their question."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.readers.source_files import check, document, items, texts
from vpa.ingest.contract import SourceDocument
from vpa.ingest.conversations import Conversation, Turn, conversations_in, document_of, question_answer_pairs
from vpa.ingest.conversations.pairs import is_question
from vpa.ingest.conversations.turns import moment, numbered
from vpa.ingest.conversations.whatsapp import whatsapp_conversation

MORNING = datetime(2024, 5, 1, 10, 3, tzinfo=UTC)


def said(*turns: tuple[str, str]) -> tuple[Turn, ...]:
    return numbered([Turn(speaker, text) for speaker, text in turns])


def node(parent: str | None, role: str, *parts: Any, time: float | None = None) -> dict[str, Any]:
    message = {"author": {"role": role}, "content": {"content_type": "text", "parts": list(parts)}, "create_time": time}
    return {"parent": parent, "message": message}


def test_chatgpt_follows_the_branch_that_was_kept() -> None:
    mapping = {
        "root": {"parent": None, "message": None},
        "s": node("root", "system", ""),
        "q": node("s", "user", "Why?", {"asset": 1}, time=MORNING.timestamp()),
        "bad": node("q", "assistant", "Thrown away."),
        "good": node("q", "assistant", "Because."),
        "tool": node("good", "tool", "output"),
        "q2": node("tool", "user", "Thanks"),
    }
    row = {"title": "A chat", "mapping": mapping, "current_node": "q2", "conversation_id": "c1"}
    [conversation, other] = conversations_in([row, {"mapping": mapping}], title="file") or []
    assert (conversation.title, conversation.key, conversation.source) == ("A chat", "c1", "chatgpt")
    assert [turn.text for turn in conversation.turns] == ["Why?", "Because.", "Thanks"]
    assert conversation.turns[0].when == MORNING
    assert (other.title, [turn.text for turn in other.turns]) == ("file", ["Why?", "Because.", "Thanks"])


def test_a_tree_of_chatgpt_that_bites_its_tail_ends() -> None:
    mapping = {"a": node("b", "user", "x"), "b": node("a", "assistant", "y"), "c": "no node"}
    [conversation] = conversations_in({"mapping": mapping, "current_node": "a"}, title="t") or []
    assert len(conversation.turns) == 2


def test_slack_names_people_and_mentions() -> None:
    day = [
        {"type": "message", "user": "U1", "ts": "1714557780.000100",
         "text": "<@U2> see <https://x.y|this> &amp; <!here>?", "user_profile": {"real_name": "Ann"}},
        {"type": "message", "user": "U2", "ts": "1714557840.0", "text": "ok <@U1> <@U9>",
         "user_profile": {"real_name": "Bob"}},
        {"type": "message", "user": "U1", "ts": "1714557900.0", "text": "in <#C1|general>"},
    ]  # fmt: skip
    [conversation] = conversations_in(day, title="2024-05-01") or []
    assert [(turn.speaker, turn.text) for turn in conversation.turns] == [
        ("Ann", "@Bob see this (https://x.y) & @here?"),
        ("Bob", "ok @Ann @U9"),
        ("Ann", "in #general"),
    ]
    assert conversation.turns[0].when == datetime(2024, 5, 1, 10, 3, 0, 100, tzinfo=UTC)


def test_telegram_joins_the_pieces_of_a_text() -> None:
    chat = {
        "name": "Group",
        "id": 7,
        "messages": [
            {"type": "service", "actor": "Ann", "action": "create_group", "text": ""},
            {"type": "message", "from": "Ann", "from_id": "user1", "date": "2024-05-01T10:03:00", "text": "Where?"},
            {"type": "message", "from": None, "from_id": "user2", "date_unixtime": "1714557780",
             "text": ["at ", {"type": "link", "text": "x.y"}, "!"]},
        ],
    }  # fmt: skip
    [conversation] = conversations_in(chat, title="file") or []
    assert (conversation.title, conversation.key) == ("Group", "7")
    assert [(turn.speaker, turn.text) for turn in conversation.turns] == [
        ("", "Ann create group"),
        ("Ann", "Where?"),
        ("user2", "at x.y!"),
    ]
    both = conversations_in({"chats": {"list": [chat, chat]}}, title="file") or []
    assert len(both) == 2


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                      {"role": "assistant", "content": "Hello"}]},
        {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]},
        [{"speaker": "user", "text": "Hi"}, {"speaker": "assistant", "text": "Hello"}],
        {"chat_messages": [{"uuid": "1", "sender": "user", "text": "Hi"},
                           {"uuid": "2", "sender": "assistant", "text": "Hello"}]},
        [{"author": "user", "text": "Hi", "date": "2024-05-01"},
         {"author": "assistant", "text": "Hello", "date": "2024-05-01"}],
        [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]],
    ],
)  # fmt: skip
def test_lists_of_turns_are_conversations(value: Any) -> None:
    [conversation] = conversations_in(value, title="t") or []
    assert [(turn.speaker, turn.text) for turn in conversation.turns] == [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize(
    "value",
    [
        [{"name": "a", "value": "b"}],
        [{"id": 1, "text": "x", "author": "Ann"}],
        [{"name": "file.txt", "content": "x"}],
        {"messages": 3},
        {"messages": []},
        {"messages": ["a", "b"]},
        {"from": "a", "to": "b"},
        [],
        {},
        None,
        "text",
        [[[[]]]],
        [{"role": "user", "content": 3}],
    ],
)
def test_other_values_are_no_conversations(value: Any) -> None:
    assert conversations_in(value, title="t") is None


ANDROID = """12/31/23, 9:15\u202fPM - Messages are end-to-end encrypted.
12/31/23, 9:15\u202fPM - Ann Lee: Where is it?
12/31/23, 9:16\u202fPM - Bob: Here:
two lines

and more
1/1/24, 9:16\u202fAM - Ann Lee added Carl
1/1/24, 9:17\u202fAM - Ann Lee: <Media omitted>
"""
IOS = """[31.12.23, 21:15:03] Ann: Where?
\u200e[31.12.23, 21:16:03] Bob: \u200eimage omitted
[01.01.24, 00:16:03] Ann: ok
"""


def test_whatsapp_of_android() -> None:
    conversation = whatsapp_conversation(ANDROID, title="t")
    assert conversation is not None
    assert [(turn.speaker, turn.text) for turn in conversation.turns] == [
        ("", "Messages are end-to-end encrypted."),
        ("Ann Lee", "Where is it?"),
        ("Bob", "Here:\ntwo lines\n\nand more"),
        ("", "Ann Lee added Carl"),
        ("Ann Lee", "<Media omitted>"),
    ]
    assert conversation.turns[1].when == datetime(2023, 12, 31, 21, 15)
    assert conversation.turns[4].when == datetime(2024, 1, 1, 9, 17)


def test_whatsapp_of_ios() -> None:
    conversation = whatsapp_conversation(IOS, title="t")
    assert conversation is not None
    assert [(turn.speaker, turn.text) for turn in conversation.turns] == [
        ("Ann", "Where?"),
        ("Bob", "image omitted"),
        ("Ann", "ok"),
    ]
    assert conversation.turns[1].when == datetime(2023, 12, 31, 21, 16, 3)


@pytest.mark.parametrize(
    ("days", "first"),
    [
        (("03/04/24", "13/04/24"), datetime(2024, 4, 3, 10, 0)),
        (("03/04/24", "03/13/24"), datetime(2024, 3, 4, 10, 0)),
        (("2024-03-04", "2024-03-05"), datetime(2024, 3, 4, 10, 0)),
        # Only in one order does time not run back.
        (("10/01/24", "02/02/24", "03/02/24"), datetime(2024, 1, 10, 10, 0)),
        (("03/04/24", "03/04/24"), datetime(2024, 4, 3, 10, 0)),
    ],
)
def test_the_whole_file_says_whether_the_day_or_the_month_comes_first(days: tuple[str, ...], first: datetime) -> None:
    text = "\n".join(f"{day}, 10:00 - Ann: x" for day in days)
    conversation = whatsapp_conversation(text, title="t")
    assert conversation is not None
    assert conversation.turns[0].when == first


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "2024-05-01 10:03:11 INFO - server: started\n" * 5,
        "12/31/23, 9:15 PM - only a system line",
        "2024-01-05 10:00:00 - ERROR: disk is full\n2024-01-05 10:00:01 - stopping the worker\n",
        "2024-01-05 10:00:00 - disk: full\n2024-01-05 10:00:01 - disk: empty\n" * 5,
        "[2024-01-05 10:00:00] local.ERROR: disk is full\n" * 5,
        "05.01.2024, 10:00 - Warning: slow\n" * 5,
        "12.3.2024 14:00 - Bob: called about it\n12.3.2024 15:00 - paid the rent\n13.3.2024 09:00 - went out\n",
        "12.3.2024 14:00 - Bob: called\n12.3.2024 15:00 - Rent: paid\n13.3.2024 09:00 - Dentist: went\n",
    ],
)
def test_other_texts_are_no_chats(text: str) -> None:
    assert whatsapp_conversation(text, title="t") is None


def test_what_the_program_says_of_a_chat_is_kept_without_a_speaker(tmp_path: Path) -> None:
    lines = [
        "12/31/23, 9:14 PM - Ann created group “Trip: 2024”",
        "12/31/23, 9:15 PM - Ann: Note: bring bread",
        '12/31/23, 9:16 PM - Bob changed the subject to "Party: 2024"',
        "12/31/23, 9:16 PM - Bob changed the subject to Party: 2025",
        "12/31/23, 9:17 PM - Bob: ok",
        "1/1/24, 10:00 - 11:00 is the time",
        "1/1/24, 10:01 - Ann: yes",
        "1/1/24, 10:02 - Bob: no",
    ]
    read = document(tmp_path, "a.txt", "\n".join(lines))
    assert read.metadata["participants"] == ["Ann", "Bob"]
    assert texts(read)[2:4] == [
        '(2023-12-31 21:16): Bob changed the subject to "Party: 2024"',
        "(2023-12-31 21:16): Bob changed the subject to Party: 2025",
    ]
    assert read.spans[5].at == {"message": 6, "when": "2024-01-01 10:00"}
    assert [line for line in lines if line.split(" - ")[1].split(": ")[-1] not in read.content] == []


@given(
    texts=st.lists(st.tuples(st.booleans(), st.text(st.sampled_from('abc:" -19'), min_size=1, max_size=20)), min_size=1)
)
def test_no_word_of_a_chat_is_lost(texts: list[tuple[bool, str]]) -> None:
    lines = [f"{'1/2/24, 10:00 - Ann: ' if begins else ''}{line}" for begins, line in texts]
    conversation = whatsapp_conversation("\n".join(["1/2/24, 10:00 - Ann: x", *lines]), title="t")
    if conversation is not None:
        words = document_of(conversation).content.split()
        assert [word for _, line in texts for word in line.split() if word not in words] == []


@pytest.mark.parametrize(
    "text",
    [
        "Why?",
        "Where is it? I need it.",
        "本当？",
        "لماذا؟",
        "how do I open it",
        "Wie geht das",
        "¿Cómo estás",
        "Où est-il",
    ],
)
def test_questions(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize("text", ["Yes.", "What a day!", "See http://x.y/?q=1 there", "However it is", "Is fine.", ""])
def test_no_questions(text: str) -> None:
    assert not is_question(text)


def test_the_next_turns_of_another_speaker_answer() -> None:
    turns = said(("Ann", "Where?"), ("Bob", "Here."), ("Bob", "Or there."), ("Bob", "Which one?"), ("Ann", "That."))
    pairs = question_answer_pairs(turns)
    assert [(pair.question.text, [answer.text for answer in pair.answers]) for pair in pairs] == [
        ("Where?", ["Here.", "Or there."]),
        ("Which one?", ["That."]),
    ]
    assert question_answer_pairs(said(("Ann", "Where?"), ("Ann", "Here."))) == []
    assert len(question_answer_pairs(said(("user", "Write a poem."), ("assistant", "Roses")))) == 1


def test_a_conversation_is_a_document_of_turns() -> None:
    turns = (Turn("Ann", "Where?", MORNING, 1), Turn("Bob", "Here.", MORNING.replace(hour=11), 2))
    read = document_of(Conversation("Title", turns, "slack"), key="k", origin="a.json")
    check(read)
    assert texts(read) == ["Ann (2024-05-01 10:03): Where?", "Bob (2024-05-01 11:03): Here."]
    assert [span.context for span in read.spans] == ["", "In answer to: Where?"]
    assert read.spans[0].at == {"message": 1, "speaker": "Ann", "when": "2024-05-01 10:03"}
    assert read.metadata == {
        "participants": ["Ann", "Bob"],
        "turns": 2,
        "pairs": 1,
        "conversation": "slack",
        "started": MORNING,
        "ended": MORNING.replace(hour=11),
    }
    assert (read.title, read.key, read.origin) == ("Title", "k", "a.json")


def test_a_time_without_a_zone_is_no_metadata() -> None:
    read = document_of(Conversation("t", (Turn("Ann", "x", datetime(2024, 5, 1, 10, 3), 1),)))
    assert "started" not in read.metadata
    assert read.spans[0].at["when"] == "2024-05-01 10:03"


def test_a_long_question_is_cut() -> None:
    read = document_of(Conversation("t", said(("Ann", "why " * 500 + "?"), ("Bob", "x"))))
    assert len(read.spans[1].context) <= 200 + len("In answer to: ")


@pytest.mark.parametrize("value", [1714557780, 1714557780.0, "1714557780", 1714557780000, "2024-05-01T10:03:00Z"])
def test_moments(value: Any) -> None:
    assert moment(value) == MORNING


@pytest.mark.parametrize("value", [None, True, "soon", float("inf"), float("nan"), -1e300, [], "9" * 400, 10**400])
def test_no_moments(value: Any) -> None:
    assert moment(value) is None


def test_files_with_several_conversations_have_keys(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    read = items(tmp_path, "a.json", json.dumps([{"messages": turns, "id": "x"}, {"messages": turns, "title": "T"}]))
    told = [(item.key, item.title) for item in read if isinstance(item, SourceDocument)]
    assert told == [("x", "a"), ("2", "T")]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "messages", "from", "text", "mapping", "current_node", "parent", "message",
                         "author", "parts", "type", "ts", "date", "from_id", "user_profile", "chats", "list", "title"]),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(value=VALUES)
@example(value={"mapping": {}, "current_node": []})
@example(value={"mapping": {"a": {"parent": {}}}})
@example(value=[{"type": "message", "user": [], "text": "x", "ts": "1"}])
def test_any_value_is_looked_at_without_harm(value: Any) -> None:
    for conversation in conversations_in(value, title="t") or []:
        assert conversation.turns or conversation.about
        document_of(conversation)


@given(text=st.text(st.sampled_from("0123456789/.,:-[] \nAPMab\u202f\u200e"), max_size=120))
def test_any_text_is_looked_at_without_harm(text: str) -> None:
    whatsapp_conversation(text, title="t")
    whatsapp_conversation(f"1/2/24, 10:00 - A: {text}", title="t")


def test_an_empty_chat_is_told(tmp_path: Path) -> None:
    assert document(tmp_path, "a.json", json.dumps([{"role": "user", "content": "x"}])).metadata["turns"] == 1
