"""What a course is. `load` reads it from the selected stack."""
