"""Methods for the comparison, all with one interface."""
