"""What the mixture GAN is made of."""
