"""The page of a comparison: measured by `summary`, drawn by `figures`, written by `page`.

Everything here reads plain dictionaries (what `leaderboard.json` holds, and the curves) and imports
no model library.
"""

from counterpoise.report.curves import curves_of as curves_of
from counterpoise.report.page import render as render
from counterpoise.report.page import write as write
