"""The OpenAPI document of the REST API, made of the protos."""
