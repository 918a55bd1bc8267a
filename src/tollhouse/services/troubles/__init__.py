"""What is wrong at the moment, and who is told."""
