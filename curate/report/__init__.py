"""The HTML report: what a run holds, as sections of one page that needs nothing else."""
