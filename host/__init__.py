"""What runs on the server: `python3 -m host UNIT VERB`, standard library only, so that it can be sent anywhere."""
