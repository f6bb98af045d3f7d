"""The kinds of targets: one class per row, several labels per row, or a class per pixel or step.

Packages above this one do not ask which kind it is: they call the methods of `core.target.Target`.
"""
