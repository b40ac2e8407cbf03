"""Why it went down: what is noted while all is well, and what it proves afterwards."""
