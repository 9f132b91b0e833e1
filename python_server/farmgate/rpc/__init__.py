"""What every gRPC call passes through."""
