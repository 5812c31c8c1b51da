"""Scoring: segments of words in, an exact and explained word error rate out.

This package knows nothing of corpora, video or torch. It reads hypothesis files
(:mod:`~slaeval.formats.ctm`, :mod:`~slaeval.formats.trn`, :mod:`~slaeval.formats.tables`),
cleans both sides under a named protocol (:mod:`~slaeval.scoring.protocols`), aligns them as
sclite does (:mod:`~slaeval.scoring.alignment`) and counts (:mod:`~slaeval.scoring.score`).
"""
