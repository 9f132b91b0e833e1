"""The demonstration: what an empty exchange is filled with, a file a module.

A seed is a function of `Ground` that adds what is missing, so that it may break off anywhere and
run again. `runner.py` lists the seeds in order and remembers those that are done.
"""
