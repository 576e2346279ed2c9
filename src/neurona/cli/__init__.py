"""The command `neurona`."""

from neurona.cli.app import main

__all__ = ["main"]
