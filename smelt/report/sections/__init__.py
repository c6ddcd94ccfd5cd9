"""Chapters of the page, one file each: the record of a run in, markup out."""
