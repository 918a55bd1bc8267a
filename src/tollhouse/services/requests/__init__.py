"""What is known of a call afterwards."""
