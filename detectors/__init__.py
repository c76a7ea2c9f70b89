"""The pure core: events in, ranked and explained alerts out; no Kafka, no clock, no chance without a seed.

Read it in the direction of the data: `events` and `timing`, `features`, the detectors (each a subclass of
`base.Detector`), `scorer` and `calibration`, the stages (`market_stage`, `account_stage`, `correlation_stage`) and what
they are made of, `correlation`, `alert_book`.
`pipeline.Pipeline` is all of it in one process.
"""
