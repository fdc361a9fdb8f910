"""Scores given from outside a run, evaluations of a target on examples, and what they remember."""
