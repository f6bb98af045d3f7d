"""The classifier that `fit`, `compare` and `wrap` return: its predictions, decisions, file, model card and evaluation.

Nothing here trains. Only `Classifier`, `load`, `wrap`, `evaluate`, `explain`, `monitor` and `adapted` are public.
"""
