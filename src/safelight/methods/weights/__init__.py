"""Methods that change the network's weights for the length of a run."""
