"""The tagger behind HTTP: ``clue-ner serve``, its page, and the routes of annotation tools."""
