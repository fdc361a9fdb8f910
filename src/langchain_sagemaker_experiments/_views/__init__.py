"""What people look at: the report and the notebook's display."""
