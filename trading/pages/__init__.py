"""Pages of markets, trading, orders and what an account's holdings are worth."""
