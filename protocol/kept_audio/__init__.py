"""The format of kept audio: encryption, keys, files, and whose audio is kept."""
