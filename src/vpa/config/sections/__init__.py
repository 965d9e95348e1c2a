"""Settings, one module for each object that reads them: a section is that object's options, nothing is copied
between.
"""
