"""A peer of Culvert in Python, written from the protocol facts and from nothing of ours.

wire     varints and frames: bytes to Frame and back
ws       RFC 6455: both handshakes, framing with real masking, fragments
session  many connections over one WebSocket, as the reference keeps them, single pause flag and all
agent    the end that dials out and then dials targets
server   the end that accepts agents and dials through them
"""
