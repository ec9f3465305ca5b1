"""From options to a plan, and from a plan to the result's pixels."""
