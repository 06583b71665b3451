"""The Dockerfile, carried out step by step in a bare folder: `make container`, for machines without a builder."""
