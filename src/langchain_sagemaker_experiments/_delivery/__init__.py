"""A finished span → an uploaded part: buffer, spool, record writer, flush, the end of the
process.
"""
