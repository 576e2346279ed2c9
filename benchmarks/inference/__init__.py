"""One module a network; the module's name is the network's name, its `SOURCE` the network.

A network is added by adding a file here: nothing else lists them.
"""
