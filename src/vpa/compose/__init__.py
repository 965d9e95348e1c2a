"""Settings become objects here and nowhere else: one module for each thing that runs."""

from vpa.compose.rag import create_enhanced_rag_system
from vpa.compose.store import create_vector_database_manager

__all__ = ["create_enhanced_rag_system", "create_vector_database_manager"]
