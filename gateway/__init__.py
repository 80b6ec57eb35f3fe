"""The only place that knows HTTP, HTML, the terminal and processes."""
