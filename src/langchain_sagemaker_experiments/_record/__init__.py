"""The format of records, shared by those who write and those who read. It knows neither."""
