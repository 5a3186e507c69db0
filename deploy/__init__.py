"""What runs Almanac: the local stack, and the simulator of Stripe."""
