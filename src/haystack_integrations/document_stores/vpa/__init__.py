"""Where Haystack looks for the document store; no file stands in the folders above, which other integrations share."""

from vpa.integrations.haystack_store import VPADocumentStore

__all__ = ["VPADocumentStore"]
