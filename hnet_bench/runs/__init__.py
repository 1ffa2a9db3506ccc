"""From a spec to a record: spec -> plan -> run -> record -> store; `engine` hands runs to Dask."""
