"""One recipe -> many runs -> one table: what `anylead benchmark` does, step by step.

plan: recipe -> cells and the runs they need. jobs: runs -> finished cells on disk. compare: cells
-> means, intervals, paired differences. output: those -> CSV, Markdown, HTML.
"""
