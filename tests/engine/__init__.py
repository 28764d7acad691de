"""Docker Engines to be cruel to:

a private one that can be killed, and a proxy that spoils what an engine answers.
"""
