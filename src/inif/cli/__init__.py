"""The command line: one file per command, each a thin layer over the Python API.

Modules here import only the standard library, typer and `inif.errors` at their top; what computes
is imported inside the commands, so that ``inif --help`` and ``inif info`` start at once.
"""
