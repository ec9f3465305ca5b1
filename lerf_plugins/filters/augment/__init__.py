"""What transforms for data sets share."""
