"""What each module of the exchange brings to the process: one file a module."""
