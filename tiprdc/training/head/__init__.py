"""The second phase of training: the head, on cached features of the trunk."""
