"""Makes the static page that runs a release in a browser (`tiprdc web`)."""
