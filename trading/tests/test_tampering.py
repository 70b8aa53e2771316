"""Test that the integrity check finds each thing that is not as it was, past all that would refuse it."""

import pytest

from accounts import integrity as ledger_integrity
from trading.tests.tampering import differences, facts, make_scene, put_back, tamper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> dict[str, int]:
    return make_scene()


# What each tampering does, and which check finds it at which row.
TAMPERINGS = {
    "an event that an account was told lost": (
        "DELETE FROM account_events WHERE account_id = {taker} AND sequence = 2",
        "what accounts are told has no gap", "account {taker}",
    ),
    "the last event that an account was told lost": (
        "DELETE FROM account_events e USING account_streams s"
        " WHERE s.account_id = {taker} AND e.account_id = s.account_id AND e.sequence = s.last_sequence",
        "what accounts are told has no gap", "account {taker}",
    ),
    "a counter of events set back": (
        "UPDATE account_streams SET last_sequence = 1 WHERE account_id = {maker}",
        "what accounts are told has no gap", "account {maker}",
    ),
    "a counter of events deleted": (
        "DELETE FROM account_streams WHERE account_id = {maker}",
        "what accounts are told has no gap", "account {maker}",
    ),
    "an event of an account that is not there": (
        "INSERT INTO account_events (account_id, sequence, channel, payload) VALUES (999999, 1, 'orders', '[]')",
        "what accounts are told has no gap", "account 999999",
    ),
    "a balance raised": (
        "UPDATE balances SET available = available + 1 WHERE account_id = {taker} AND asset_id = {usd}",
        "balances are the sums of their transfers", "account {taker} USD",
    ),
    "money moved between balances": (
        "UPDATE balances SET available = available + CASE account_id WHEN {taker} THEN 1 ELSE -1 END"
        " WHERE account_id IN ({taker}, {maker}) AND asset_id = {usd}",
        "balances are the sums of their transfers", "account {maker} USD",
    ),
    "a transfer changed": (
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'deposit' AND credit_account_id = {maker}",
        "balances are the sums of their transfers", "account {maker} BTC",
    ),
    "a transfer of an account that is not there": (
        "UPDATE transfers SET credit_account_id = 999999 WHERE kind = 'deposit' AND credit_account_id = {maker}",
        "balances are the sums of their transfers", "account 999999",
    ),
    "available made held": (
        "UPDATE balances SET available = available - 1, held = held + 1 WHERE account_id = {maker} AND asset_id = {usd}",
        "held is the sum of what open orders and pending withdrawals hold", "account {maker} USD",
    ),
    "an order that holds what no balance does": (
        "DELETE FROM balances WHERE account_id = {taker} AND asset_id = {usd}",
        "held is the sum of what open orders and pending withdrawals hold", "order {partly}",
    ),
    "a pending command lost": (
        "DELETE FROM commands WHERE order_id = {pending}", "every order is in the journal once", "order {pending}",
    ),
    "a command lost": (
        "DELETE FROM commands WHERE order_id = {rests}", "every order is in the journal once", "order {rests}",
    ),
    "a command twice": (
        "INSERT INTO commands (market_id, kind, order_id, account_id, payload)"
        " SELECT market_id, kind, order_id, account_id, payload FROM commands WHERE order_id = {rests}",
        "every order is in the journal once", "order {rests}",
    ),
    "an order canceled past the engine": (
        "UPDATE orders SET status = 'Canceled', reason = 'user_request', held_amount = 0, remaining_quantity = 0"
        " WHERE id = {pending}",
        "every order is in the journal once", "order {pending}",
    ),
    "an order taken from the book": (
        "UPDATE orders SET priority_sequence = NULL, priority_ordinal = NULL, visible_quantity = NULL WHERE id = {other}",
        "every order is in the journal once", "order {other}",
    ),
    "an order filled by nobody": (
        "UPDATE orders SET filled_quantity = filled_quantity + 0.5, remaining_quantity = remaining_quantity - 0.5,"
        " visible_quantity = visible_quantity - 0.5 WHERE id = {partly}",
        "each order's fills add up", "order {partly}",
    ),
    "a fill forgotten": (
        "UPDATE orders SET status = 'New', filled_quantity = 0, filled_quote = 0, remaining_quantity = quantity WHERE id = {partly}",
        "each order's fills add up", "order {partly}",
    ),
    "a trade deleted": (
        "DELETE FROM trades WHERE id = {trade}", "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 0",
    ),
    "a trade invented": (
        "INSERT INTO trades (market_id, sequence, ordinal, price, quantity, quote_amount, side, maker_order_id, taker_order_id,"
        " maker_account_id, taker_account_id, maker_fee, taker_fee) SELECT market_id, sequence, 9, price, quantity, quote_amount,"
        " side, maker_order_id, taker_order_id, maker_account_id, taker_account_id, maker_fee, taker_fee FROM trades"
        " WHERE id = {trade}",
        "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 9",
    ),
    "a trade of the future": (
        "UPDATE trades SET sequence = 99 WHERE id = {trade}", "sequences have no gap", "BTC/USD trades {trade}",
    ),
    "a trade of no market": (
        "UPDATE trades SET market_id = 999999 WHERE id = {trade}", "sequences have no gap", "trades",
    ),
    "a trade's price changed": (
        "UPDATE trades SET price = price + 1, quote_amount = quote_amount + quantity WHERE id = {trade}",
        "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 0",
    ),
    "a fee changed in trade and transfer": (
        "UPDATE trades SET taker_fee = taker_fee / 2 WHERE id = {trade}",
        "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 0",
    ),
    "a trade whose transfers are gone": (
        "DELETE FROM transfers WHERE trade_id = {trade}", "transfers are those of their trades", "trade {trade}",
    ),
    "a trade without one of its transfers": (
        "DELETE FROM transfers WHERE trade_id = {trade} AND kind = 'fee' AND asset_id = {usd}",
        "transfers are those of their trades", "trade {trade}",
    ),
    "a theft in the name of a trade that is not there": (
        "WITH t AS (INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind, trade_id)"
        " VALUES ({usd}, {maker}, {taker}, 100, 'trade', 1000000000) RETURNING amount)"
        " UPDATE balances SET available = available + CASE account_id WHEN {taker} THEN amount ELSE -amount END FROM t"
        " WHERE account_id IN ({taker}, {maker}) AND asset_id = {usd}",
        "transfers are those of their trades", "transfer {next_transfer}",
    ),
    "a deposit hidden below the first id": (
        "INSERT INTO transfers (id, asset_id, debit_account_id, credit_account_id, amount, kind)"
        " VALUES (-1, {usd}, 1, {maker}, 100, 'deposit')",
        "balances are the sums of their transfers", "account {maker} USD",
    ),
    "an order hidden below the first id": (
        "UPDATE orders SET id = -7 WHERE id = {canceled}", "every order is in the journal once", "order -7",
    ),
    "a trade far beyond the last": (
        "UPDATE trades SET id = 4611686018427387904 WHERE id = {trade}",
        "transfers are those of their trades", "trade 4611686018427387904",
    ),
    "an asset deleted": (
        "DELETE FROM assets WHERE id = {usd}", "the journal replays to the same events and hashes", "BTC/USD market",
    ),
    "a market's state deleted": (
        "DELETE FROM market_states WHERE market_id = {btc}",
        "the journal replays to the same events and hashes", "BTC/USD market",
    ),
    "an order of no market": (
        "WITH c AS (UPDATE commands SET market_id = 999999 WHERE order_id = {canceled})"
        " UPDATE orders SET market_id = 999999 WHERE id = {canceled}",
        "every order is in the journal once", "order {canceled}",
    ),
    "a prevention of no market": (
        "UPDATE preventions SET market_id = 999999", "sequences have no gap", "preventions",
    ),
    "a pending command's price changed": (
        "UPDATE commands SET payload = payload || '{{\"price\": 7777}}' WHERE order_id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "a pending command given to another user": (
        "UPDATE commands SET payload = payload || '{{\"owner\": 999999}}' WHERE order_id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "a pending command made unreadable": (
        "UPDATE commands SET payload = '[]' WHERE order_id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "a pending order made larger": (
        "UPDATE orders SET quantity = 2, remaining_quantity = 2 WHERE id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "events that are none": (
        "UPDATE commands SET events = '5' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "events that no parser reads": (
        "UPDATE commands SET events = '[[1e400]]' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a trade settled twice": (
        "INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind, trade_id)"
        " SELECT asset_id, debit_account_id, credit_account_id, amount, kind, trade_id FROM transfers WHERE trade_id = {trade}"
        " ORDER BY id",
        "transfers are those of their trades", "transfer {last_transfer_and_4}",
    ),
    "a transfer to somebody else": (
        "UPDATE transfers SET credit_account_id = {maker} WHERE kind = 'fee' AND id = {fee}",
        "transfers are those of their trades", "transfer {fee}",
    ),
    "a transfer of a trade that is not there": (
        "UPDATE transfers SET trade_id = 0 WHERE id = {fee}", "transfers are those of their trades", "transfer {fee}",
    ),
    "a prevention deleted": (
        "DELETE FROM preventions", "the replay's trades are the trades", "BTC/USD prevention of sequence 4, event 0",
    ),
    "an ended order's history rewritten": (
        "UPDATE orders SET reason = 'mass_cancel' WHERE id = {canceled}",
        "the replay's orders are the orders", "BTC/USD order {canceled}",
    ),
    "an open order's price changed": (
        "UPDATE orders SET price = 105 WHERE id = {rests}", "the replay's orders are the orders", "BTC/USD order {rests}",
    ),
    "an open order's price between two ticks": (
        "UPDATE orders SET price = 102.005 WHERE id = {rests}", "a rebuilt book is that of the open orders", "BTC/USD asks",
    ),
    "an open order's place in line changed": (
        "UPDATE orders SET priority_ordinal = 7 WHERE id = {rests}",
        "a rebuilt book is that of the open orders", "BTC/USD order {rests}",
    ),
    "an order's terms changed": (
        "UPDATE orders SET post_only = TRUE WHERE id = {rests}", "the replay's orders are the orders", "BTC/USD order {rests}",
    ),
    "an order moved to another market": (
        "UPDATE orders SET market_id = {eth} WHERE id = {canceled}",
        "the replay's orders are the orders", "BTC/USD order {canceled}",
    ),
    "an account given to another user": (
        "UPDATE accounts SET user_id = (SELECT user_id FROM accounts WHERE id = {taker}) WHERE id = {maker}",
        "a rebuilt book is that of the open orders", "BTC/USD order {rests}",
    ),
    "the best price misstated": (
        "UPDATE market_states SET best_bid = 1 WHERE market_id = {btc}",
        "a rebuilt book is that of the open orders", "BTC/USD state",
    ),
    "the phase changed past the journal": (
        "UPDATE market_states SET phase = 'Halted' WHERE market_id = {btc}",
        "the journal replays to the same events and hashes", "BTC/USD phase",
    ),
    "the last price misstated": (
        "UPDATE market_states SET last_price = 1 WHERE market_id = {btc}",
        "the journal replays to the same events and hashes", "BTC/USD last price",
    ),
    "an event changed": (
        "UPDATE commands SET events = jsonb_set(events, '{{0,3}}', '1') WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a payload changed": (
        "UPDATE commands SET payload = payload || '{{\"owner\": {taker}}}' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a payload that no intake wrote": (
        "UPDATE commands SET payload = '{{}}' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a hold that its order exceeds": (
        "UPDATE commands SET payload = payload || '{{\"held\": 1}}' WHERE order_id = {crosses}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a hash changed": (
        "UPDATE batches SET hash = sha256('') WHERE market_id = {btc} AND first_sequence = 3",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "the last batch deleted": (
        "DELETE FROM batches WHERE market_id = {eth}", "the journal replays to the same events and hashes", "ETH/USD journal",
    ),
    "a batch of the future": (
        "UPDATE batches SET last_sequence = 99 WHERE market_id = {eth}", "sequences have no gap", "ETH/USD batch {eth_batch}",
    ),
    "a sequence left out": (
        "UPDATE commands SET sequence = 99 WHERE order_id = {other}", "sequences have no gap", "ETH/USD commands {other_command}",
    ),
    "a candle's price changed": (
        "UPDATE candles SET high = high + 1 WHERE interval = '1d' AND market_id = {btc}",
        "candles are what their trades add up to", "BTC/USD 1d candle of {day}",
    ),
    "a candle's volume changed": (
        "UPDATE candles SET volume = volume + 0.00000001 WHERE interval = '1d' AND market_id = {btc}",
        "candles are what their trades add up to", "BTC/USD 1d candle of {day}",
    ),
    "a candle's trades forgotten": (
        "UPDATE candles SET trades = trades - 1 WHERE interval = '1d' AND market_id = {btc}",
        "candles are what their trades add up to", "BTC/USD 1d candle of {day}",
    ),
    "a candle lost": (
        "DELETE FROM candles WHERE interval = '1d'", "candles are what their trades add up to", "BTC/USD 1d candle of {day}",
    ),
    "a candle of what never traded": (
        "INSERT INTO candles SELECT interval, open_time, open, high, low, close, volume, quote_volume, trades, {eth}"
        " FROM candles WHERE interval = '1d'",
        "candles are what their trades add up to", "ETH/USD 1d candle of {day}",
    ),
    "a candle of another day": (
        "UPDATE candles SET open_time = open_time - interval '240 hours' WHERE interval = '1d'",
        "candles are what their trades add up to", "BTC/USD 1d candle of {day}",
    ),
    "a candle of no market": (
        "UPDATE candles SET market_id = 999999 WHERE interval = '1d'",
        "candles are what their trades add up to", "market 999999 1d candle of {day}",
    ),
    "a pending withdrawal deleted": (
        "DELETE FROM withdrawals WHERE id = {withdrawing}",
        "held is the sum of what open orders and pending withdrawals hold", "account {funder} USD",
    ),
    "a pending withdrawal made larger": (
        "UPDATE withdrawals SET amount = amount + 1 WHERE id = {withdrawing}",
        "held is the sum of what open orders and pending withdrawals hold", "account {funder} USD",
    ),
    "a pending withdrawal of an account without a balance": (
        "UPDATE withdrawals SET account_id = 999999 WHERE id = {withdrawing}",
        "held is the sum of what open orders and pending withdrawals hold", "withdrawal {withdrawing}",
    ),
    "a rejected withdrawal asked for again": (
        "UPDATE withdrawals SET status = 'Pending', reason = '', decided_at = NULL, decided_by_id = NULL WHERE id = {rejected}",
        "held is the sum of what open orders and pending withdrawals hold", "account {funder} USD",
    ),
    "a completed withdrawal's amount changed": (
        "UPDATE withdrawals SET amount = amount + 1 WHERE id = {withdrawn}",
        "completed deposits and withdrawals are those of their transfers", "withdrawal {withdrawn}",
    ),
    "a completed withdrawal deleted": (
        "DELETE FROM withdrawals WHERE id = {withdrawn}",
        "completed deposits and withdrawals are those of their transfers", "transfer {withdrawal}",
    ),
    "a completed deposit given to somebody else": (
        "UPDATE deposits SET account_id = {maker} WHERE id = {deposited}",
        "completed deposits and withdrawals are those of their transfers", "deposit {deposited}",
    ),
    "a deposit completed by another transfer": (
        "UPDATE deposits SET transfer_id = {fee} WHERE id = {deposited}",
        "completed deposits and withdrawals are those of their transfers", "deposit {deposited}",
    ),
    "a completed deposit whose transfer is gone": (
        "DELETE FROM transfers WHERE reference = 'deposit {deposited}'",
        "completed deposits and withdrawals are those of their transfers", "deposit {deposited}",
    ),
    "a theft by a withdrawal that nobody asked for": (
        "WITH t AS (INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind)"
        " VALUES ({usd}, {maker}, 1, 100, 'withdrawal') RETURNING amount)"
        " UPDATE balances SET available = available + CASE account_id WHEN 1 THEN amount ELSE -amount END FROM t"
        " WHERE account_id IN (1, {maker}) AND asset_id = {usd}",
        "completed deposits and withdrawals are those of their transfers", "transfer {next_transfer}",
    ),
    "a crossed book": (
        "UPDATE orders SET price = 103 WHERE id = {partly}", "no book is crossed", "BTC/USD book",
    ),
}  # fmt: skip


PARTS = 3


@pytest.mark.parametrize("part", range(PARTS))
def test_every_tampering_is_found(scene, part):
    missed = []
    for name in list(TAMPERINGS)[part::PARTS]:
        statement, check, row = TAMPERINGS[name]
        names = scene | facts()
        with put_back():
            tamper(statement.format(**names))
            if (check, row.format(**names)) not in differences():
                missed.append(name)
    assert not missed
    assert differences() == []


def test_trade_settled_twice_is_found_though_a_sweep_ends_between(scene, monkeypatch):
    monkeypatch.setattr(ledger_integrity, "RANGE", 4)
    statement, check, row = TAMPERINGS["a trade settled twice"]
    names = scene | facts()
    tamper(statement.format(**names))
    assert (check, row.format(**names)) in differences()
