"""The whole stack on one machine with one command: `make up`."""
