"""The command line: options become arguments of the packages below, and their results become printed text.

One file per command has its `command` and `NAME`, which `main` lists; the other files are shared by commands. The
docstring of a `command` is its help text. Names of options, printed JSON and exit codes are public.
"""
