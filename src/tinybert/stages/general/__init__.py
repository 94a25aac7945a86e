"""General distillation: plain text, the one stage that learns from it, and what such a run leaves."""
