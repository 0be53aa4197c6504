"""How threads wait, are left behind at a deadline, and survive a fork."""
