"""The loop and what surrounds it: optimizer, schedule, ranks, resume, logs."""
