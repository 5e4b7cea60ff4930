"""Where programs find the command line, wherever its parts lie: `from anylead.cli import main`."""

from anylead.commands.cli import main

__all__ = ["main"]
