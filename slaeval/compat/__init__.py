"""Drop-in replacements for other tools: their calls, files and numbers, computed by our code.

:mod:`~slaeval.compat.vac` replaces ``evaluation.slr_eval`` of VAC_CSLR and its descendants;
:mod:`~slaeval.compat.sclite` aligns whole files as NIST's ``sclite`` does, for the command
``slaeval-sclite``.
"""
