"""Numbers a model is judged by, one file per family. Numpy in, floats out."""
