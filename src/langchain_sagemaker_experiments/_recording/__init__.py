"""LangChain's events and spans by hand → live spans. Cheap, and without any I/O."""
