"""The journal: the append-only audit log and the proofs over it."""
