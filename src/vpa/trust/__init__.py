"""Whether a collection can be believed: does its search miss anything, and does it hold what its source holds?"""
