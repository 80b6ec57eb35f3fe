"""What changed, told to whoever wants to know: typed events, their feed, and who is sent them."""
