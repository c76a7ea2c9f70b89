"""Measurements of the whole worker and its parts; `make bench` runs them."""
