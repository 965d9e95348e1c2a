"""What operators see: logs and counters."""
