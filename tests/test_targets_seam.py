"""Nothing above `targets/` asks which target it is."""

from __future__ import annotations

import re
from pathlib import Path

import counterpoise

ROOT = Path(counterpoise.__file__).parent
#: Rooms that may know how labels look: those that `targets/` is made of, and itself.
BELOW = {"core", "data", "plans", "losses", "metrics", "report", "diagnosis", "feed", "decide", "targets"}
ASKS = re.compile(r'\bn_classes\b(?!=|\)`)|\.binary\b|bincount\(examples\.y|\bkind [!=]= "(?:one_of|labels|elements)"')
#: Files that name the number of classes, and how often: the contract of a user's builder, `build(spec, n_classes)`, and
#: the one place that turns it into units. The numbers may only fall.
LEFT = {
    "cli/builders.py": 3,
    "networks/built_in.py": 2,
    "networks/input_spec.py": 3,
}


def test_no_room_above_asks_which_target_it_is():
    counts = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0] not in BELOW and (count := len(ASKS.findall(path.read_text(encoding="utf-8")))):
            counts[name] = count
    assert counts == LEFT
