"""Make it small: students, quantization, and the search over them."""
