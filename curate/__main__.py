"""`python -m curate` is `curate`."""

from .cli import main

main()
