"""The shell: bytes from Kafka or a file in, through the core in `detectors`, alerts and limits out."""
