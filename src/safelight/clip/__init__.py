"""CLIP as judges use it: what it is shown, its towers, files that name concepts, views of a picture."""
