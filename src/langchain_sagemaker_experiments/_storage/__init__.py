"""Places and files: the names of keys and parts, object stores, the writers of whole and
append-only files.
"""
