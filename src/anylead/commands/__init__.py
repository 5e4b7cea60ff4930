"""The commands of `anylead`: one file each, a `Recipe` and a `run`; `cli` finds them by name."""
