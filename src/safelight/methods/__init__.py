"""Floor 3: one file a paper. Files never import each other."""
