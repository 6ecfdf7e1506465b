-- Deletes some of what has been absent already: records that have expired, traces of contenders who have left, and
-- watchers that are gone. Returns lines with dead in them and logs that are to disappear, whose locks the caller
-- takes, and whether there is more of anything. Of all processes one sweeps at a time.
CREATE FUNCTION "coord".sweep(p_at_most bigint, OUT r_lines bytea[], OUT r_logs bytea[], OUT r_more boolean)
LANGUAGE plpgsql AS $$
DECLARE
    now bigint := "coord".clock();
    deleted bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock('"coord".host'::regclass::oid::integer, 1668247410) THEN
        RETURN;
    END IF;
    DELETE FROM "coord".record d USING (
        SELECT r.key FROM "coord".record r
            WHERE r.expires_at <= now ORDER BY r.expires_at LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) gone WHERE d.key = gone.key;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    r_more := deleted = p_at_most;
    DELETE FROM "coord".contender d USING (
        SELECT c.owner, c.resource FROM "coord".contender c
            WHERE c.state >= 2 AND c.expires_at <= now ORDER BY c.expires_at LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) gone WHERE d.owner = gone.owner AND d.resource = gone.resource;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    r_more := r_more OR deleted = p_at_most;
    DELETE FROM "coord".watcher d USING (
        SELECT w.topic, w.listener FROM "coord".watcher w
            WHERE w.expires_at <= now LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) gone WHERE d.topic = gone.topic AND d.listener = gone.listener;
    r_lines := ARRAY(
        SELECT DISTINCT c.resource FROM "coord".contender c
            WHERE c.state < 2 AND c.expires_at <= now LIMIT 100
    );
    r_logs := ARRAY(
        SELECT e.log FROM "coord".log_end e WHERE e.expires_at <= now ORDER BY e.expires_at LIMIT p_at_most
    );
    r_more := r_more OR cardinality(r_lines) = 100 OR cardinality(r_logs) = p_at_most;
END $$;

-- Settles a line that nobody is at.
CREATE FUNCTION "coord".sweep_line(p_lock bigint, p_resource bytea, p_base bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared('"coord".token'::regclass::oid::integer, 1668247410),
        pg_advisory_xact_lock(p_lock);
    PERFORM "coord".line_look(p_resource, "coord".clock(), p_base);
END $$;

CREATE FUNCTION "coord".sweep_log(p_lock bigint, p_log bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(p_lock);
    PERFORM "coord".log_drop_expired(p_log, "coord".clock());
END $$;
