"""Why it went down: what is noted while it runs, and what that proves afterwards."""
