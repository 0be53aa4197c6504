"""Content ids and the blocks behind them, as IPFS has them."""
