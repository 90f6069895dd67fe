"""Floor 3: pictures and widgets."""
