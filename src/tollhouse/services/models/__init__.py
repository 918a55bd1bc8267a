"""What is set up to be called: providers with their keys, models, deployments, routes, and the catalogue of them."""
