"""Work that runs on Ray, and releases; the only package that imports Ray."""
