"""A bundle as a service over HTTP: batches, admission, the wire formats of other servers, metrics, a page. No torch."""
