"""The edge: Envoy's configuration, rendered from the API's descriptors, and Envoy itself."""
