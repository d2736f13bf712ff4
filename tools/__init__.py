"""What only the maintainers of the repository need."""
