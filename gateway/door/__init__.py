"""What every request passes before it is answered: who asks, from where, what it may cost, and signing in."""
