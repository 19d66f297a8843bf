"""What runs on the server: `python3 -m host UNIT VERB`, standard library only, so that it can be sent anywhere."""

VERSION = "0.1.0"  # of coursehub
