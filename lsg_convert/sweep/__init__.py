"""Comparing a folder's settings on text of one's own, without training between them."""
