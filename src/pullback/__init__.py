"""`pullback`: train a GAN and a VAE, study the manifold of the data, and score both under one protocol."""
