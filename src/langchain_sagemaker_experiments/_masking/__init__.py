"""Secrets: what they look like, and how they are masked before anything leaves the process."""
