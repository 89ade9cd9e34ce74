"""Floor 1: networks that turn pictures and texts into vectors, for judges to read from."""
