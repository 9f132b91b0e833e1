"""What the exchange needs from outside, each behind a small protocol."""
