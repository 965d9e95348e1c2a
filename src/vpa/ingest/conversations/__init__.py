"""Conversations: who said what, in exports of chat programs and in lists of turns."""

from vpa.ingest.conversations.document import document_of, notes_of
from vpa.ingest.conversations.exports import conversations_in
from vpa.ingest.conversations.pairs import Pair, question_answer_pairs
from vpa.ingest.conversations.turns import Conversation, Turn

__all__ = ["Conversation", "Pair", "Turn", "conversations_in", "document_of", "notes_of", "question_answer_pairs"]
