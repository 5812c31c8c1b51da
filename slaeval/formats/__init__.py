"""Files that people exchange: one module a format, read by the loaders and the scorer alike."""
