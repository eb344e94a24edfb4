"""Audio quality: checks that audio has the declared encoding, rate and channels, and can be transcribed."""
