"""`curate run`: the whole job, from one pipeline file."""

from __future__ import annotations

import sys

import click

from ..errors import ShardError
from .console import output, printable, progress
from .figures import show, tells
from .tables import print_pipeline


@click.command()
@click.argument("pipeline", type=click.Path())
@click.option("--dry-run", is_flag=True, help="Print the resolved plan, and do nothing.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="In place of the file's."
)
@tells
def command(pipeline: str, dry_run: bool, overrides: tuple[str, ...]) -> None:
    """Score, select, mix and build as the file PIPELINE says; go on where a run was stopped."""
    from ..config import load_pipeline

    resolved = load_pipeline(pipeline, overrides)
    from ..stages import pipeline as stages

    if dry_run:
        import yaml

        with progress():
            resolved_plan = stages.plan(resolved)
        plan = yaml.safe_dump(resolved_plan, sort_keys=False, allow_unicode=True)
        show(resolved_plan, lambda: output.print(printable_lines(plan)))
        return
    with progress() as heard:
        report = stages.run(resolved, heard)
    show({"directory": resolved.out, **report}, print_pipeline, report, resolved.out)
    if any(scored["failed"] for scored in report["scored"].values()):
        sys.exit(ShardError.exit_code)


def printable_lines(text: str) -> str:
    """Several lines, each safe for a terminal."""
    return "\n".join(map(printable, text.splitlines()))
