"""One module for each notebook: its exercises, in the order of the text."""
