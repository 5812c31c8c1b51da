"""Translations: from sentences and references to figures: score, audit, compare."""
