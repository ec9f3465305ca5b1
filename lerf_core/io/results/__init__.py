"""How results appear: whole or not at all, one run at a time, and resumed after interruptions."""
