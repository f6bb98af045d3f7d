"""A classifier as a file for other runtimes: SavedModel, LiteRT, ONNX. Each is run once after writing and compared.

`write` is the entrance. A classifier is only read here (`Any`, because `classifier` is a higher tier).
"""

from counterpoise.export.write import FORMATS as FORMATS
from counterpoise.export.write import write as write
