"""The gateway, as processes and over sockets."""
