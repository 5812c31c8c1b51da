"""Doors for those who come from another tool: its calls, its files, its numbers, our code behind.

:mod:`~slaeval.compat.vac` stands in for ``evaluation.slr_eval`` of VAC_CSLR and its descendants,
:mod:`~slaeval.compat.sclite` aligns whole files as NIST's ``sclite`` does, for the command
``slaeval-sclite``.
"""
