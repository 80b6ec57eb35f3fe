"""Real servers for tests. The fixtures of `tests.servers.fixtures` start what they need, once, lazily."""
