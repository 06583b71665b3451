"""Plugins as their authors ship them: built, installed with pip into an environment of their own, and used there."""
