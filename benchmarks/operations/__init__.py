"""One module a group; the module's name is the group's name, its `SOURCE` the group.

A group is added by adding a file here: nothing else lists the groups. Frameworks are imported
inside the builds, so that a worker loads only its own.
"""
