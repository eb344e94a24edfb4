"""The languages of the bridges: one pure file each, listed in `registry`."""
