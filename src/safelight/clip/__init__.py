"""CLIP as judges use it: what it is shown, its towers, heads on its vectors, files that name concepts, views
of a picture.
"""
