"""What stands around every verb and every request: metering, deadlines, limits, retries, the circuit breaker."""
