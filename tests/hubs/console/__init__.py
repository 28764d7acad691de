"""The console as its users, its admins, programs and attackers meet it: a real Hub and proxy, over HTTP.

The broker is a stand-in whose cards and line a test writes; what is between it and a browser is all real.
"""
