"""Who may sign in, and with which roles: principals, their tokens and sessions, and the grants they hold.

Written by API processes and by the command line, each change with its journal entry; `Directory` reads it all into
the principals that requests act as.
"""
