"""Pictures and reports that commands write."""
