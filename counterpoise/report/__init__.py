"""The page of a comparison: curves are measured by `curves`, drawn by `figures`, and written by `page`.

Also the page of a model card, and figures and tables for notebooks and terminals. Everything here reads plain
dictionaries (the content of `leaderboard.json`, and the curves) and imports no model library.
"""

from counterpoise.report.curves import curves_of as curves_of
from counterpoise.report.page import render as render
from counterpoise.report.page import write as write
