"""What a network looks at, and what it answers to: written once for all domains, which show it in their own way."""
