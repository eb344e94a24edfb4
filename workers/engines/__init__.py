"""The recognisers.  Each file or folder is one; importing this package loads none of them."""
