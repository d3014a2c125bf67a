"""Generated faces: labels, parts, layers and the drawing of a face."""
