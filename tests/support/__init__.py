"""What tests share: tiny models, servers, clones, stores."""
