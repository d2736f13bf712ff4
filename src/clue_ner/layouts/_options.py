"""The options of layouts and their values; an option means the same in every layout that takes it."""

VALUES = {
    "offsets": ("code_points", "utf16", "utf8"),
    "first": (0, 1),
    "ends": ("exclusive", "inclusive"),
    "text": ("TEXT",),
}
"""An option's values, the default first; TEXT stands for any text that is not empty, NUMBER for any integer."""
