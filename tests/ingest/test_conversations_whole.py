"""What a conversation file says is read: what is no turn stays a record, what is beside a turn is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.readers.source_files import items
from vpa.ingest.contract import SourceDocument, SourceNote


def read(folder: Path, name: str, data: Any) -> tuple[list[SourceDocument], list[str]]:
    """Documents and notes of a file."""
    got = items(folder, name, data if isinstance(data, str) else json.dumps(data))
    documents = [item for item in got if isinstance(item, SourceDocument)]
    notes = [item.message for item in got if isinstance(item, SourceNote)]
    assert len(documents) + len(notes) == len(got)
    return documents, notes


RECORDS = (
    ("a.json", [{"role": "CTO", "name": "Ann", "phone": "555-1", "text": "Leads."}]),
    ("a.json", [{"from": "Oslo", "to": "Bergen", "message": "Train 7", "price": 100}]),
    ("a.json", [{"from": "a@x.org", "to": "b@x.org", "subject": "Lease", "text": "See attached."}]),
    ("a.json", [{"author": "Ann", "text": "Good.", "date": "2024-05-01", "stars": "five"}]),
    ("a.csv", "role,name,text\nCTO,Ann,Leads\nCFO,Bob,Counts\n"),
    ("a.csv", "from,subject,body\nann,Lease,See attached\nbob,Re: Lease,Thanks\n"),
    ("a.csv", "speaker,sender,text\nann,x.org,See\nbob,y.org,Thanks\n"),
    ("a.csv", "speaker,text,mood\nann,See,glad\nbob,Thanks,sad\n"),
)


@pytest.mark.parametrize(("name", "data"), RECORDS)
def test_records_that_say_more_than_a_turn_are_no_conversation(tmp_path: Path, name: str, data: Any) -> None:
    [document], notes = read(tmp_path, name, data)
    assert "turns" not in document.metadata
    assert notes == []
    cells = (
        [str(value) for row in data for value in row.values()]
        if isinstance(data, list)
        else data.replace("\n", ",").strip(",").split(",")
    )
    assert [cell for cell in cells if cell not in document.content] == []


def test_records_on_lines_that_say_more_than_a_turn_keep_all(tmp_path: Path) -> None:
    [document], _ = read(tmp_path, "a.jsonl", '{"role": "CTO", "name": "Ann", "phone": "555-1", "text": "Leads."}\n')
    assert (document.content, document.metadata) == ("Leads.", {"role": "CTO", "name": "Ann", "phone": "555-1"})


def test_what_a_turn_has_beside_its_text_stands_below_it(tmp_path: Path) -> None:
    call = {"function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    turns = [
        {"role": "user", "content": "hi", "name": "ann", "uuid": "1", "created_at": "some day"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {
            "role": "tool",
            "content": [{"type": "text", "text": "rain"}, {"type": "tool_use", "input": {"wind": "north"}}],
        },
    ]
    for name, data in (("a.json", turns), ("a.jsonl", "".join(f"{json.dumps(turn)}\n" for turn in turns))):
        [document], notes = read(tmp_path, name, data)
        assert document.content == (
            "user: hi\nname: ann\ncreated_at: some day\n\n"
            'assistant: tool_calls[0].function.name: weather\ntool_calls[0].function.arguments: {"city": "Oslo"}\n\n'
            "tool: rain\ninput.wind: north"
        )
        assert notes == []


def test_a_text_that_a_turn_says_twice_is_read_once(tmp_path: Path) -> None:
    turn = {"sender": "human", "text": "Hi there", "content": [{"type": "text", "text": "Hi there"}], "files": []}
    [document], _ = read(tmp_path, "a.json", {"uuid": "1", "chat_messages": [turn]})
    assert document.content == "human: Hi there"


def test_pictures_of_turns_are_counted(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}}
    turns = [{"role": "user", "content": [{"type": "text", "text": "See"}, picture, picture]}]
    [document], notes = read(tmp_path, "a.json", turns)
    assert document.content == "user: See"
    assert notes == ["a: left out 2 pictures, sounds or files of messages"]


def test_what_stands_beside_the_turns_is_said_before_them(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "It burns"}, {"role": "agent", "content": "Oh"}]
    wrapped = {
        "title": "Ticket 7",
        "customer": "ACME",
        "tags": ["fire"],
        "summary": "The printer burned",
        "messages": turns,
    }
    [document], _ = read(tmp_path, "a.json", wrapped)
    assert document.title == "Ticket 7"
    assert document.content == (
        "customer: ACME\ntags: fire\nsummary: The printer burned\n\nuser: It burns\n\nagent: Oh"
    )
    assert [span.at.get("message") for span in document.spans] == [None, None, None, 1, 2]
    documents, _ = read(
        tmp_path, "a.json", {"firm": "ACME", "conversations": [{"messages": turns}, {"messages": turns}]}
    )
    assert [read.content.startswith("firm: ACME") for read in documents] == [True, False]


def test_a_time_that_cannot_be_read_stays_in_a_table_of_turns(tmp_path: Path) -> None:
    [document], _ = read(tmp_path, "a.csv", "speaker,text,time\nann,See,noon\nbob,Thanks,2024-05-01,more\n")
    assert document.content == "ann: See\ntime: noon\n\nbob (2024-05-01 00:00): Thanks\nmore"


def voice(text: str) -> list[dict[str, str]]:
    return [{"content_type": "audio_transcription", "text": text}, {"content_type": "audio_asset_pointer"}]


def test_what_was_said_aloud_to_chatgpt_is_read_and_the_rest_counted(tmp_path: Path) -> None:
    def node(parent: str, role: str, **content: Any) -> dict[str, Any]:
        return {"parent": parent, "message": {"author": {"role": role}, "content": content}}

    mapping = {
        "a": node("", "user", parts=voice("How do I bake bread?")),
        "b": node("a", "assistant", parts=voice("Mix flour and water.")),
        "other": node("a", "assistant", parts=["Thrown away."]),
        "c": node("b", "user", content_type="user_editable_context", user_instructions="Be brief."),
        "d": node("c", "assistant", thoughts=[{"summary": "Brief", "content": "Short words."}]),
    }
    [document], notes = read(tmp_path, "a.json", [{"title": "Voice", "mapping": mapping, "current_node": "d"}])
    assert document.content == (
        "user: How do I bake bread?\n\nassistant: Mix flour and water.\n\nuser: user_instructions: Be brief.\n\n"
        "assistant: thoughts[0].summary: Brief\nthoughts[0].content: Short words."
    )
    assert notes == [
        "Voice: left out 1 messages of other branches, of tools and of the system",
        "Voice: left out 2 pictures, sounds or files of messages",
    ]


def test_attachments_blocks_and_files_of_slack_are_read(tmp_path: Path) -> None:
    rich = {"type": "rich_text", "elements": [{"elements": [{"type": "text", "text": "hello & more"}]}]}
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "Deploy 77 failed"}}
    fields = [{"title": "Host", "value": "db7"}]
    attached = {"title": "Outage", "text": "Server is down", "fallback": "Outage", "fields": fields}
    messages = [
        {"text": "", "files": [{"name": "plan.pdf", "title": "Plan of the harbour"}]},
        {"text": "hello &amp; more", "blocks": [rich], "attachments": [attached]},
        {"text": "", "blocks": [section], "subtype": "bot_message"},
    ]
    rows = [{"type": "message", "user": "U1", "ts": f"{1704100000 + n}.1"} | row for n, row in enumerate(messages)]
    [document], notes = read(tmp_path, "a.json", rows)
    said = [part.partition("): ")[2] for part in document.content.split("\n\n")]
    assert said == ["Plan of the harbour", "hello & more\nOutage\nServer is down\nHost\ndb7", "Deploy 77 failed"]
    assert notes == ["a: left out 1 pictures, sounds or files of messages"]


def test_polls_places_and_services_of_telegram_are_read(tmp_path: Path) -> None:
    poll = {"question": "Where shall we eat?", "answers": [{"text": "Oslo", "voters": 3}, {"text": "Bergen"}]}
    rows = [
        {"type": "message", "from": "Ann", "from_id": "u1", "text": "", "poll": poll},
        {"type": "message", "from": "Bob", "from_id": "u2", "text": "", "photo": "photos/1.jpg"},
        {"type": "message", "from": "Bob", "from_id": "u2", "text": "", "file": "x", "file_name": "lease.pdf"},
        {"type": "service", "actor": "Ann", "action": "create_group", "title": "Party", "members": ["Bob"], "text": ""},
    ]
    data = {"personal_information": {"first_name": "Ann"}, "chats": {"list": [{"name": "Fam", "messages": rows}]}}
    [document], notes = read(tmp_path, "a.json", data)
    assert document.content == (
        "Ann: Where shall we eat?\n- Oslo\n- Bergen\n\nBob: file_name: lease.pdf\n\n"
        "Ann create group\ntitle: Party\nmembers: Bob"
    )
    assert notes == [
        "Fam: left out 2 pictures, sounds or files of messages",
        "Fam: left out all but the chats of the export: personal_information",
    ]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_conversations_of_one_id_are_all_read(tmp_path: Path, name: str) -> None:
    talks = [{"id": "c", "messages": [{"role": "user", "content": text}]} for text in ("One", "Two", "Three")]
    data = json.dumps(talks) if name == "a.json" else "".join(f"{json.dumps(talk)}\n" for talk in talks)
    documents, _ = read(tmp_path, name, data)
    assert [document.key for document in documents] == ["c", "c 2", "c 3"]
