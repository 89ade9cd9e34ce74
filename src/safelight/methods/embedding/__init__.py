"""Methods that change what the text encoders say of a text."""
