"""KataGo's JSON analysis protocol: KaTrain and other programs send positions as lines of JSON and get analyses back."""
