"""What a text encoder's states say, in words: GuardT2I's parts below the method (arXiv:2403.01446)."""
