"""Other ways to hide an attribute, behind one interface: what the method is compared with."""
