"""Stages: the verbs of the command line as plain functions."""
