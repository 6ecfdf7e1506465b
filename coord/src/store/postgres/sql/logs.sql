-- Takes out a log that has expired and was not swept yet, for it starts anew. The caller has the lock.
CREATE FUNCTION "coord".log_drop_expired(p_log bytea, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM "coord".log_end e WHERE e.log = p_log AND e.expires_at <= p_now) THEN
        DELETE FROM "coord".log_entry l WHERE l.log = p_log;
        DELETE FROM "coord".log_end e WHERE e.log = p_log;
    END IF;
END $$;

-- Appends at the expected length. NULL: done; otherwise the length that the log has instead.
CREATE FUNCTION "coord".log_append(
    p_lock bigint, p_log bytea, p_expected bigint, p_operation bytea, p_entry bytea
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
    len bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    PERFORM "coord".log_drop_expired(p_log, now);
    SELECT coalesce(max(l.position) + 1, 0) INTO len FROM "coord".log_entry l WHERE l.log = p_log;
    IF len <> p_expected THEN
        IF EXISTS (
            SELECT FROM "coord".log_entry l
                WHERE l.log = p_log AND l.position = p_expected AND l.operation = p_operation
        ) THEN
            RETURN NULL;
        END IF;
        RETURN len;
    END IF;
    INSERT INTO "coord".log_entry VALUES (p_log, len, p_operation, p_entry);
    PERFORM "coord".tell('\x67'::bytea || p_log, now);
    RETURN NULL;
END $$;

CREATE FUNCTION "coord".log_expire(p_lock bigint, p_log bytea, p_ttl bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    PERFORM "coord".log_drop_expired(p_log, now);
    INSERT INTO "coord".log_end AS e
        SELECT p_log, now + p_ttl WHERE EXISTS (SELECT FROM "coord".log_entry l WHERE l.log = p_log)
        ON CONFLICT (log) DO UPDATE SET expires_at = EXCLUDED.expires_at;
END $$;
