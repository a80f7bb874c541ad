"""What is said: one class for each kind of claim, with what it is read from and compared to."""
