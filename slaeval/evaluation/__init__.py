"""From references and hypotheses to numbers: score, audit, compare, and their input."""
