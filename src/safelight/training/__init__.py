"""What changes weights: the trainer, its objectives, and edits in closed form."""
