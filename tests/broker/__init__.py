"""A machine in memory for tests of the broker's book: cards, containers, processes, and a clock that is turned."""
