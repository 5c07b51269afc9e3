"""Self-contained HTML: templates, charts, audio players, pictures of sound."""
