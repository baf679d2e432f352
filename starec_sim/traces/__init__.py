"""What a person wants to know of a run, read from its record: one question a module.

The functions return plain values, which the command line prints and the viewer shows. Rounds, steps
and pages count from 1, and items have their ids and titles.
"""
