"""The question in coordinates: field, region, strategy sets, and what their code is."""
