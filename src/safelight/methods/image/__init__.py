"""Methods that look at the finished picture."""
