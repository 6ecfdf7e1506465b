-- Whether a condition holds for what is there: any (0), absent (1), of this version (2), of this value (3).
CREATE FUNCTION "coord".holds(p_condition smallint, p_compared bytea, p_version bytea, p_value bytea)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_condition
        WHEN 0 THEN true
        WHEN 1 THEN p_value IS NULL
        WHEN 2 THEN p_value IS NOT NULL AND p_version = p_compared
        ELSE p_value IS NOT NULL AND p_value = p_compared
    END
$$;

-- The ids of the last nine operations, the latest at the end.
CREATE FUNCTION "coord".remembering(p_recent bytea, p_operation bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(p_recent) >= 144 THEN substr(p_recent, 17) ELSE p_recent END || p_operation
$$;

-- Stores a record if the condition holds, or tells what is there. With a listener, that one wants to hear of changes
-- from now on.
CREATE FUNCTION "coord".record_put(
    p_lock bigint, p_key bytea, p_value bytea, p_condition smallint, p_compared bytea, p_ttl bigint,
    p_operation bytea, p_tells boolean, p_listener text, p_listens bigint,
    OUT r_stored boolean, OUT r_value bytea, OUT r_version bytea, OUT r_expires_in bigint
) LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
    there "coord".record;
BEGIN
    PERFORM pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    IF p_listener IS NOT NULL THEN
        PERFORM "coord".watch(p_lock, '\x72'::bytea || p_key, p_listener, p_listens);
    END IF;
    SELECT * INTO there FROM "coord".record r
        WHERE r.key = p_key AND (r.expires_at IS NULL OR r.expires_at > now);
    r_stored := position(p_operation IN there.recent) > 0;
    IF r_stored THEN
        RETURN;
    END IF;
    r_stored := "coord".holds(p_condition, p_compared, there.version, there.value);
    IF NOT r_stored THEN
        r_value := there.value;
        r_version := there.version;
        r_expires_in := there.expires_at - now;
        RETURN;
    END IF;
    INSERT INTO "coord".record AS r (key, expires_at, version, recent, value) VALUES (
        p_key, now + p_ttl, p_operation,
        "coord".remembering(coalesce(there.recent, ''), p_operation), p_value
    ) ON CONFLICT (key) DO UPDATE SET
        expires_at = EXCLUDED.expires_at, version = EXCLUDED.version,
        recent = EXCLUDED.recent, value = EXCLUDED.value;
    IF p_tells THEN
        PERFORM "coord".tell('\x72'::bytea || p_key, now);
    END IF;
END $$;

-- Stores the first record, and then the other one if the first was stored; the answer is that of the last one tried.
CREATE FUNCTION "coord".record_put_after(
    p_first_lock bigint, p_first_key bytea, p_first_value bytea, p_first_condition smallint, p_first_compared bytea,
    p_first_ttl bigint, p_first_operation bytea, p_first_tells boolean,
    p_lock bigint, p_key bytea, p_value bytea, p_condition smallint, p_compared bytea,
    p_ttl bigint, p_operation bytea, p_tells boolean,
    OUT r_stored boolean, OUT r_value bytea, OUT r_version bytea, OUT r_expires_in bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(least(p_first_lock, p_lock)), pg_advisory_xact_lock(greatest(p_first_lock, p_lock));
    SELECT * INTO r_stored, r_value, r_version, r_expires_in FROM "coord".record_put(
        p_first_lock, p_first_key, p_first_value, p_first_condition, p_first_compared,
        p_first_ttl, p_first_operation, p_first_tells, NULL, NULL);
    IF r_stored THEN
        SELECT * INTO r_stored, r_value, r_version, r_expires_in FROM "coord".record_put(
            p_lock, p_key, p_value, p_condition, p_compared, p_ttl, p_operation, p_tells, NULL, NULL);
    END IF;
END $$;

CREATE FUNCTION "coord".record_delete(
    p_lock bigint, p_key bytea, p_condition smallint, p_compared bytea, p_operation bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
    there "coord".record;
BEGIN
    PERFORM pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    SELECT * INTO there FROM "coord".record r
        WHERE r.key = p_key AND (r.expires_at IS NULL OR r.expires_at > now);
    IF position(p_operation IN there.recent) > 0 THEN
        RETURN true;
    END IF;
    IF there.value IS NULL OR NOT "coord".holds(p_condition, p_compared, there.version, there.value) THEN
        RETURN false;
    END IF;
    UPDATE "coord".record SET
        value = NULL, version = p_operation, expires_at = now + 60000000,
        recent = "coord".remembering(there.recent, p_operation)
        WHERE key = p_key;
    PERFORM "coord".tell('\x72'::bytea || p_key, now);
    RETURN true;
END $$;

-- Takes a record into the caller's transaction, and tells what is there: nothing (0), this (1), or that another
-- transaction has it (2). Waits for that one so many milliseconds, or as long as it takes (0), or not at all (-1).
CREATE FUNCTION "coord".record_claim(p_lock bigint, p_key bytea, p_wait bigint) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    usual text := current_setting('lock_timeout');
    there bytea;
BEGIN
    IF NOT pg_try_advisory_xact_lock(p_lock) THEN
        IF p_wait < 0 THEN
            RETURN '\x02';
        END IF;
        PERFORM set_config('lock_timeout', p_wait::text, true);
        BEGIN
            PERFORM pg_advisory_xact_lock(p_lock);
        EXCEPTION WHEN lock_not_available THEN
            PERFORM set_config('lock_timeout', usual, true);
            RETURN '\x02';
        END;
        PERFORM set_config('lock_timeout', usual, true);
        -- What the one before has committed is not seen.
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'another transaction had the record' USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    SELECT r.value INTO there FROM "coord".record r
        WHERE r.key = p_key AND r.value IS NOT NULL
            AND (r.expires_at IS NULL OR r.expires_at > "coord".clock());
    RETURN CASE WHEN there IS NULL THEN '\x00'::bytea ELSE '\x01'::bytea || there END;
END $$;
