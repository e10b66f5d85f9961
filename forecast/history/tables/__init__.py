"""Files and queries of any CRM, read as tables of text."""
