"""Floor 2: what makes artifacts of a model: fits with an optimiser, and edits in closed form."""
