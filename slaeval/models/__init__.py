"""The recogniser: a frozen CLIP tower, what is added to it, and the head above it.

Everything here needs the extra ``run``.
"""
