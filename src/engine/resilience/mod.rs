//! Backoff, circuit breaker, restart budget, offset ledger.
