"""From references and hypotheses to numbers: score, audit, compare, and what they are read from."""
