#!/usr/bin/env bash
# In ZenML, taking a version out of its stage by force archives another version that was in no stage at all.
#
# Versions: zenml 0.98.0 with its server, on SQLite; Python 3.11.
# Behaviour: stages are for one version at a time: `force` puts who has a stage into `archived`. The stage `none` is treated as
#   one of them. So where one version is set to `none`, a second one that is set to `none` archives the first. Nobody asked
#   for that, and a version that nobody promoted is now shown as retired. Without `force` it is an error of the server, 500.
# Output seen:
#   first: none
#   second with force: none
#   first afterwards: archived
# Run by hand. Exit code 1 when that has changed.
