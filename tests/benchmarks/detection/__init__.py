"""How well incidents are found: the yardstick that `make quality` runs.

The same flow is seen twice: clean, and with an incident planted from one moment on. What is said in the second and not
in the first is said of the incident. Nothing here may be used to tune a detector.

`flows` what is watched; `surroundings` its trailing statistics, to which incidents are scaled; `planting` and
`planted_orders`, `planted_prices` the incidents, `families` the list of them; `seconds` the features that baselines
see, `baselines` those; `observer` what is said of a flow; `branches` clean and planted runs; `episodes`, `metrics`,
`volume_under_surface`, `tail_calibration` how it is judged; `findings` all figures; `figures` and `page` the report.
"""
