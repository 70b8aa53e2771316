"""Keep a demo alive: a market maker and a taker who trade at the venue as anybody could.

The law: they know the venue by its public API alone; nothing else of this project is imported here, and import-linter holds that.
Given a seed, they decide the same way each time; what the venue answers is not theirs to decide.
Each of prices, ladder, replacing and inventory is one decision, without a clock or a network; trader.py asks the venue,
maker.py and taker.py act, and running.py says when.
"""
