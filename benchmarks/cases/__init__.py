"""One module a case; the module's name, with - for _, is the case's name, its `CASE` the case.

A case is added by adding a file here: nothing else lists the cases. Frameworks are imported inside
the builds, so that a worker loads only its own.
"""
