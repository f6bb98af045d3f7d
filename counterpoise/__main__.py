"""Runs the command line as `python -m counterpoise`."""

from counterpoise.cli.main import main

main()
