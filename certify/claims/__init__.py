"""What certificates claim: one class for each kind, which reads its numbers from a file."""
