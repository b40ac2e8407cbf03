"""What happened: the record, the thread that feeds it, and what it means."""
