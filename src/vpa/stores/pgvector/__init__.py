"""PostgreSQL with pgvector: filters as SQL over flattened jsonb, writes in transactions."""
