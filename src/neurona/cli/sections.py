"""Help that lists commands under headings, in plain text."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

OTHER = "Commands"


class Sections(TyperGroup):
    """A group whose help lists each command under its panel, in the order they were made."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order of the source, which is that of their use."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a heading for each panel and a line for each of its commands."""
        sections: dict[str, list[tuple[str, str]]] = {}
        widest = max(map(len, self.commands), default=0)
        for name, command in self.commands.items():
            if not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                heading = panel if isinstance(panel, str) else OTHER
                text = command.get_short_help_str(formatter.width - widest - 6)
                sections.setdefault(heading, []).append((name.ljust(widest), text))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
