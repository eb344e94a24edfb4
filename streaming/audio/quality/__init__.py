"""The line passport: whether the audio of a call is what the bridge said it would be, and fit to be heard."""
