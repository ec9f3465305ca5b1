"""What is trained: tables and networks."""
