"""The ways to a proof."""
