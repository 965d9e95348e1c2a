"""The conformance suite on qdrant, in every form of it in tests/deployments.py."""

from __future__ import annotations

from contract.cases import classes_of

globals().update(classes_of("qdrant", __name__))
