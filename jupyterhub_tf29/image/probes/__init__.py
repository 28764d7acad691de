"""Small programs that `tf29hub image verify` runs inside a container of the image, on its Python 3.9."""
