"""Floor 1: the only place that knows diffusers. Networks and solvers behind core's ports, and the loop."""
