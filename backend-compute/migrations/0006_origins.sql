-- The request that submitted the job, and its place in a trace (W3C traceparent), where known.
ALTER TABLE jobs ADD COLUMN request_id TEXT;
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
