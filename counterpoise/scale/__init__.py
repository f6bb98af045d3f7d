"""Where networks are trained: in processes of this machine (`pool`), or on a Ray cluster (`ray`).

Both are executors: given to `compare(executor=...)` they train the same jobs as `engines.run.run` does in this process,
with the same results.
"""

from counterpoise.core.lazy import public_names as _shown
from counterpoise.scale.cluster import ray as ray
from counterpoise.scale.processes import pool as pool

__dir__ = _shown(__name__)
