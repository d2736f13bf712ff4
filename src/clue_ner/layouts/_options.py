"""The options of layouts and their values; an option has the same meaning in every layout that has it."""

VALUES = {
    "offsets": ("code_points", "utf16", "utf8"),
    "first": (0, 1),
    "ends": ("exclusive", "inclusive"),
    "text": ("TEXT",),
    "entities": ("TEXT",),
    "scheme": ("auto", "BIO", "IOB1", "IOE1", "IOE2", "BIOES", "BMES", "BILOU", "BIOS", "IOB2", "IOBES"),
    "tags": ("strict", "lenient"),
    "tokens": ("auto", "characters", "words"),
    "token": ("NUMBER",),
    "tag": ("NUMBER",),
    "token_column": ("TEXT",),
    "tag_column": ("TEXT",),
    "config": ("TEXT",),
    "labels": ("auto", "annotations", "predictions"),
    "model_version": ("TEXT",),
    "from_name": ("TEXT",),
    "to_name": ("TEXT",),
    "split": ("documents", "lines"),
}
"""The values of each option, the default first; TEXT is any non-empty string, NUMBER any integer."""
