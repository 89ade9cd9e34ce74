"""Floor 0: the nouns, the ports, the method base, the registry. It knows nothing about networks or files."""
