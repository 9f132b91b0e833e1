"""Runs the command as `python -m farmgate`."""

from farmgate.app.cli import main

main()
