"""The output folder: how it is built, recorded, found, checked and published."""
