"""What the commands of `edge` do. `edge.cli` holds their names and options, and imports one when it is called."""
