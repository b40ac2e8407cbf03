"""What happened: the record, the thread that writes it, and what it means."""
