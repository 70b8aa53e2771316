"""Match one market's orders.

A pure function of (book, command): whole numbers of ticks and lots, no clock, no randomness, no I/O, no money. It imports
the standard library and orders/terms.py, nothing else. commands.py says what goes in, events.py what comes out, book.py is
the order book, engine.py matches.
"""
