"""The process: settings, wiring, server and command line."""
