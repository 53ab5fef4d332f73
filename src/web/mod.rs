//! The way out: HTTP API, live updates, canvas.
