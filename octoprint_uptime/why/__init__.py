"""Why it went down: what is recorded while it runs, and what that proves afterwards."""
