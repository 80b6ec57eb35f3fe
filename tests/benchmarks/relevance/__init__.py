"""How well search finds the model a person means, beside what a database offers."""
