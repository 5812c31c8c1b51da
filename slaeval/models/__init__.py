"""The recogniser: a frozen CLIP tower, its adapter, and the head on top.

Everything here needs the extra ``run``.
"""
