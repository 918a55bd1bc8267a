"""Who is told of what happens, and how it reaches them."""
