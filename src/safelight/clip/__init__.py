"""CLIP as judges use it: what it is shown, its towers, the files that name concepts, and views of a picture."""
