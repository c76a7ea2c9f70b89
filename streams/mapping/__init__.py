"""An exchange's own records as our events, told by a file: which field is which, in which unit, under which topic.

`mapping_file.py` reads the file and says what is wrong with it; `field_specs.py` makes a reader of each field;
`values.py` changes single values, exactly; `mapped_stream.py` turns records of one topic into events, and
`field_mapping.py` holds those of all topics.
"""
