"""Lets the tests of this folder import `loss_reference` and `loss_cases`, which are in it too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
