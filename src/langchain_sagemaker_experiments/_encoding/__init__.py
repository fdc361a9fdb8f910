"""Any Python value → JSON, within bounds, never raising. Knows Python and JSON, not LangChain."""
