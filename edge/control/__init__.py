"""The gateway API that reads and changes the configuration.

kinds resources     what a resource is, and all of them at one moment
conversion          proto → model, with everything that can be wrong
configurator        check, compile, keep, publish: a change happens whole or not at all
store               where what the API makes is kept
masks pages requests    the habits of the API: update masks, pages, request ids
standard services   Get, List, Create, Update, Delete for every kind
register            adds the services to a server
"""
