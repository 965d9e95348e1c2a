"""How large a record of Milvus may be, and that one which is larger is refused before anything is written."""

from __future__ import annotations

import pytest

from deployments import RunningStores
from vpa.base.errors import InvalidRecordError
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.layout.rows import encode
from vpa.stores.milvus.convert import MAX_JSON_BYTES, MAX_PAYLOAD_BYTES, PIECE_BYTES, _pieces, check_row

LITE = "milvus lite over gRPC"


@pytest.mark.parametrize("letter", ["x", "ü", "語", "𝔵"])
async def test_the_longest_text_is_kept_and_one_that_is_longer_is_refused(stores: RunningStores, letter: str) -> None:
    room = (MAX_PAYLOAD_BYTES - len('{"id":"a","text":""}')) // len(letter.encode())
    small = Record("small", vector=[1, 0, 0], text="small")
    async with VectorDatabaseManager(stores.config(LITE)) as db:
        docs = await db.create_collection("sizes", dimension=3)
        await docs.upsert([Record("a", vector=[1, 0, 0], text=letter * room)])
        [found] = await docs.get(["a"])
        assert found.text == letter * room
        with pytest.raises(InvalidRecordError, match=f"record 'b' takes .* bytes .* at most {MAX_PAYLOAD_BYTES}"):
            await docs.upsert([small, Record("b", vector=[1, 0, 0], text=letter * (room + 1))])
        with pytest.raises(InvalidRecordError, match=f"record 'a' takes .* at most {MAX_PAYLOAD_BYTES}"):
            await docs.update_metadata(ids=["a"], set={"more": "metadata"})
        assert await docs.count() == 1
        await db.drop_collection("sizes")


@pytest.mark.parametrize("payload", ["", "a" * 70_000, "aü語𝔵" * 20_000, "𝔵" * 15_001])
def test_pieces_are_cut_between_characters(payload: str) -> None:
    pieces = list(_pieces(payload))
    assert "".join(pieces) == payload
    assert max(len(piece.encode()) for piece in pieces) <= PIECE_BYTES


def test_what_a_json_field_of_a_server_cannot_hold_is_refused_with_its_size() -> None:
    many = {f"f{number}": "z" * 100 for number in range(400)}
    for metadata, native in ((many, ()), ({"body": "y" * 70_000}, ("body",))):
        batch = RecordBatch(ids=["a"], vectors=None, metadata=[metadata])
        [row] = encode(batch, scope=Scope(), native_fields=native).rows
        with pytest.raises(InvalidRecordError, match=f"of record 'a' take .* at most {MAX_JSON_BYTES}"):
            check_row(row, lite=False)
        check_row(row, lite=True)
    [row] = encode(RecordBatch(ids=["a"], vectors=None, texts=["x" * 100_000]), scope=Scope()).rows
    check_row(row, lite=False)
