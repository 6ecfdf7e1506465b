-- What there is one of: the version of all this, the lineage of the server, and the least token that it gives out.
CREATE TABLE "coord".host (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    lineage text NOT NULL,
    base bigint NOT NULL
);

CREATE SEQUENCE "coord".token AS bigint MINVALUE -9223372036854775808 START -9223372036854775808 CACHE 1;

-- A record, or what is remembered of a deleted one: then it has no value.
CREATE TABLE "coord".record (
    key bytea PRIMARY KEY,
    expires_at bigint,
    version bytea NOT NULL,
    recent bytea NOT NULL,
    value bytea
);
CREATE INDEX record_expiry ON "coord".record (expires_at) WHERE expires_at IS NOT NULL;

-- Those who are in line for a resource: waiting (0) or holding (1). And for a minute those who have left, so that no
-- copy of a request of theirs brings them back: from the line (2), or without having been in it (3).
CREATE TABLE "coord".contender (
    owner bytea NOT NULL,
    resource bytea NOT NULL,
    state smallint NOT NULL,
    token bigint NOT NULL,
    weight bigint NOT NULL,
    capacity bigint NOT NULL,
    expires_at bigint NOT NULL,
    label bytea NOT NULL,
    listener text,
    PRIMARY KEY (owner, resource)
) WITH (fillfactor = 70);
CREATE INDEX contender_line ON "coord".contender (resource) WHERE state < 2;
CREATE INDEX contender_left ON "coord".contender (expires_at) WHERE state >= 2;

CREATE TABLE "coord".log_entry (
    log bytea NOT NULL,
    position bigint NOT NULL,
    operation bytea NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (log, position)
);

-- The logs that are to disappear.
CREATE TABLE "coord".log_end (
    log bytea PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX log_end_expiry ON "coord".log_end (expires_at);

-- Who wants to hear of what. When the server crashes this is gone, and so are the connections of those who do.
CREATE UNLOGGED TABLE "coord".watcher (
    topic bytea NOT NULL,
    listener text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (topic, listener)
);

-- Microseconds since 1970, as they are at the call and not at the start of the transaction.
CREATE FUNCTION "coord".clock() RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

-- Takes the locks of a batch, in the order that they are given.
CREATE FUNCTION "coord".lock_all(p_locks bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lock bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared('"coord".token'::regclass::oid::integer, 1668247410);
    FOREACH lock IN ARRAY p_locks LOOP
        PERFORM pg_advisory_xact_lock(lock);
    END LOOP;
END $$;

-- Tells those who want to hear of something. Notifying holds a lock of the whole server's through the commit, so
-- it is done only if there is somebody.
CREATE FUNCTION "coord".tell(p_topic bytea, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(w.listener, 'look ' || encode(p_topic, 'hex'))
        FROM "coord".watcher w WHERE w.topic = p_topic AND w.expires_at > p_now;
END $$;

-- Wants to hear of something for so long. Whoever changes it holds the same lock, so no change falls in between.
CREATE FUNCTION "coord".watch(p_lock bigint, p_topic bytea, p_listener text, p_lasts bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(p_lock);
    INSERT INTO "coord".watcher AS w VALUES (p_topic, p_listener, "coord".clock() + p_lasts)
        ON CONFLICT (topic, listener) DO UPDATE SET expires_at = EXCLUDED.expires_at;
END $$;

-- Which life of which server this is: it is another one after a promotion, a restart and a restore.
CREATE FUNCTION "coord".lineage() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    identifier text := '';
    timeline text := '';
BEGIN
    BEGIN
        identifier := (SELECT system_identifier FROM pg_control_system());
        timeline := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
    EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_function THEN
        NULL; -- Some services hide them. Such a server restarts when it takes over.
    END;
    RETURN concat_ws(':', identifier, timeline, extract(epoch FROM pg_postmaster_start_time()));
END $$;

-- Begins to work with this server: raises the tokens if its lineage is a new one, and returns the least that it gives
-- out. A token is the epoch in its upper half, and a number in its lower one; less 2^63, since there are no unsigned
-- integers here.
CREATE FUNCTION "coord".attach() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    here text;
    least bigint;
    last bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE read_only_sql_transaction;
    END IF;
    here := "coord".lineage();
    SELECT h.base INTO least FROM "coord".host h WHERE h.lineage = here;
    IF FOUND THEN
        RETURN least;
    END IF;
    PERFORM pg_advisory_xact_lock('"coord".token'::regclass::oid::integer, 1668247410);
    SELECT h.base INTO least FROM "coord".host h WHERE h.lineage = here;
    IF FOUND THEN
        RETURN least;
    END IF;
    SELECT t.last_value INTO last FROM "coord".token t;
    least := greatest((last >> 32) + 1, extract(epoch FROM clock_timestamp())::bigint - 2147483648) << 32;
    PERFORM setval('"coord".token', least);
    UPDATE "coord".host SET lineage = here, base = least;
    RETURN least;
END $$;

-- Lets no later token be below this one.
CREATE FUNCTION "coord".raise_tokens(p_floor bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock('"coord".token'::regclass::oid::integer, 1668247410);
    PERFORM setval('"coord".token', p_floor - 1) FROM "coord".token t WHERE t.last_value < p_floor - 1;
END $$;
