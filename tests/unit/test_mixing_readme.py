"""The example in mixing/README.md prints what stands below it."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[2] / "mixing" / "README.md"


def test_the_example_runs_and_prints_its_output():
    code, output = re.search(
        r"```python\n(.*?)```\n\n```\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    ).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(README), "exec"), {})
    assert printed.getvalue() == output
