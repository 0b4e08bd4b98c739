"""The web server: predictions and explanations of trained models over HTTP. It knows no domain."""
