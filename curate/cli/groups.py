"""Groups of commands that are told apart by name, and answer a name that is none of theirs."""

from __future__ import annotations

import click

from ..registry import did_you_mean


class Named(click.Group):
    """Lists its commands in the order of the work, and says which one may have been meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first among the arguments."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]!r}. {did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)
