"""What answers like a service: one program for each kind of backend, for tests, the demo and authors of plugins.

`python -m adapters.emulators.KIND` starts one. No adapter imports its emulator.
"""
