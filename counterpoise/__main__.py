"""`python -m counterpoise`."""

from counterpoise.cli.main import main

main()
