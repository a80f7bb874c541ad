"""Parts of the study of a mixture GAN."""
