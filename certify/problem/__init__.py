"""The question in coordinates: the field, the region, the strategy sets, and their traced code."""
