"""What backends announce by themselves: taking it in at the door, and what is waiting to be read because of it."""
