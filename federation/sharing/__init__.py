"""What another gateway is given that reads this one: whole records, registry by registry."""
