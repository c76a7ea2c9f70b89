"""The commands of `squall`, one a module."""
