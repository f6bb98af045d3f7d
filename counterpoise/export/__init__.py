"""A classifier as a file for other runtimes: SavedModel, LiteRT, ONNX. Each is run once after writing and compared."""

from counterpoise.export.write import FORMATS as FORMATS
from counterpoise.export.write import write as write
