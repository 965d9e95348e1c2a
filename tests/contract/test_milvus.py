"""The conformance suite on milvus, in every form of it in tests/deployments.py."""

from __future__ import annotations

from contract.cases import classes_of

globals().update(classes_of("milvus", __name__))
