"""What shrinking keeps, loses and adds: measures of any function that makes images smaller."""
