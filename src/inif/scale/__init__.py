"""Images of any size to OME-Zarr with inif's codec, shard by shard, by any number of workers.

What there is to write is planned first (`tree`: groups, arrays, metadata, and where the samples of
each array come from), then its documents are written (`skeleton`), then its shards.
"""
