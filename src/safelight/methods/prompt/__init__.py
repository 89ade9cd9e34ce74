"""Methods that read and rewrite the prompt before anything is encoded."""
