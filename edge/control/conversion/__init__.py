"""Proto → model: everything a configuration can get wrong is found here, all of it at once.

availability    what this version refuses, as data
scope           where one is in a message, and what is wrong there
checks          hosts, addresses, header names, durations, …
gather          the resources a configuration lists, by name
routes upstreams policies schemas server    one kind each
whole           all resources together: references, circles, and a cache for what did not change
"""
