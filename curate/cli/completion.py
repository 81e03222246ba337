"""`curate completion`: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes commands, options and names in SHELL.

    \b
    To install it, add this line to your shell's start-up file:
      ~/.bashrc                     eval "$(curate completion bash)"
      ~/.zshrc, after compinit      eval "$(curate completion zsh)"
      ~/.config/fish/config.fish    curate completion fish | source
    """  # noqa: D301 (click's mark of lines to leave alone)
    from click.shell_completion import get_completion_class

    from . import NAME, cli

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(cli, {}, NAME, f"_{NAME.upper()}_COMPLETE")
    click.echo(made.source_template % made.source_vars())
