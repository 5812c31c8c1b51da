"""The commands of ``slaeval``, one module each, and the options they share."""
