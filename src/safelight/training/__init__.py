"""One trainer and the objectives it minimises: the weights methods that learn."""
