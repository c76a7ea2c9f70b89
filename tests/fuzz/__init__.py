"""Every decoder and the stages behind them against what no honest producer sends; run in full by `make fuzz`."""
