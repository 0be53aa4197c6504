"""What is done to each answer inside its attempt, whatever the wire."""
