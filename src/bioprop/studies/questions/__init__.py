"""Studies of questions that the papers leave to their readers."""
