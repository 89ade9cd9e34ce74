"""Methods that steer the denoising steps: rows to predict, and terms added to the guided prediction."""
