"""Lets the tests of this folder import `loss_reference` and `loss_cases`, which lie beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
