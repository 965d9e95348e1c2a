"""Milvus: a server over gRPC, or Milvus Lite in this process, in a directory."""
