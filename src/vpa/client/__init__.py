"""What a program holds: the manager, its collections, their verbs, and the policy around each call."""
