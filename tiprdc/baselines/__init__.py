"""Methods that ours is compared with, behind one interface."""
