"""From events to numbers: one module an event family."""
