-- Whoever grants must see what was committed before it got the locks. A transaction of another isolation sees what was
-- committed before it asked for them, and would grant what somebody else was granted meanwhile. Each of our connections
-- sees to it that there is none; something in between can have sent that to another session.
CREATE FUNCTION "coord".refuse_isolation() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'coord: transactions are %, and not read committed, as was set for this session',
            current_setting('transaction_isolation')
        USING ERRCODE = 'inappropriate_isolation_level_for_branch_transaction',
            HINT = 'Connect to the server itself, or to a pooler in session mode.';
END $$;

-- Takes out the dead, numbers those who wait anew if their numbers are from before this server's time, and grants
-- whoever fits, in order. The caller has the locks.
CREATE FUNCTION "coord".line_settle(p_resource bytea, p_now bigint, p_base bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    used bigint;
    least_capacity bigint;
    one "coord".contender;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM "coord".refuse_isolation();
    END IF;
    DELETE FROM "coord".contender c
        WHERE c.resource = p_resource AND c.state < 2 AND c.expires_at <= p_now;
    IF EXISTS (
        SELECT FROM "coord".contender c WHERE c.resource = p_resource AND c.state = 0 AND c.token < p_base
    ) THEN
        PERFORM "coord".line_renumber(p_resource, -9223372036854775808, '');
    END IF;
    SELECT coalesce(sum(c.weight) FILTER (WHERE c.state = 1), 0), min(c.capacity) INTO used, least_capacity
        FROM "coord".contender c WHERE c.resource = p_resource AND c.state < 2;
    FOR one IN
        SELECT * FROM "coord".contender c WHERE c.resource = p_resource AND c.state = 0 ORDER BY c.token
    LOOP
        EXIT WHEN used > 0 AND used + one.weight > least_capacity;
        used := used + one.weight;
        UPDATE "coord".contender SET state = 1 WHERE owner = one.owner AND resource = p_resource;
        IF one.listener IS NOT NULL THEN
            PERFORM pg_notify(one.listener, 'granted ' || encode(one.owner, 'hex') || ' ' || one.token);
        END IF;
    END LOOP;
    PERFORM "coord".tell('\x6c'::bytea || p_resource, p_now);
END $$;

-- Gives those who wait behind a token later ones, in their order; all but one.
CREATE FUNCTION "coord".line_renumber(p_resource bytea, p_behind bigint, p_but bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    waiting bytea;
BEGIN
    FOR waiting IN
        SELECT c.owner FROM "coord".contender c
            WHERE c.resource = p_resource AND c.state = 0 AND c.token > p_behind
                AND c.owner <> p_but ORDER BY c.token
    LOOP
        UPDATE "coord".contender SET token = nextval('"coord".token')
            WHERE owner = waiting AND resource = p_resource;
    END LOOP;
END $$;

-- Settles a line if there is anything to settle.
CREATE FUNCTION "coord".line_look(p_resource bytea, p_now bigint, p_base bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM "coord".contender c WHERE c.resource = p_resource AND c.state < 2
            AND (c.expires_at <= p_now OR (c.state = 0 AND c.token < p_base))
    ) THEN
        PERFORM "coord".line_settle(p_resource, p_now, p_base);
    END IF;
END $$;

-- Where one stands who is in line: waiting (0) or holding (1), and when the next in line should look again.
CREATE FUNCTION "coord".line_place(
    p_resource bytea, p_owner bytea, p_now bigint,
    OUT r_standing smallint, OUT r_token bigint, OUT r_ahead bigint, OUT r_look_again_in bigint
) LANGUAGE plpgsql AS $$
DECLARE
    waiting bigint;
BEGIN
    SELECT c.state, c.token INTO r_standing, r_token
        FROM "coord".contender c WHERE c.owner = p_owner AND c.resource = p_resource AND c.state < 2;
    IF r_standing = 0 THEN
        SELECT count(*), count(*) FILTER (WHERE c.state = 0),
                min(c.expires_at) FILTER (WHERE c.state = 1) - p_now
            INTO r_ahead, waiting, r_look_again_in
            FROM "coord".contender c
            WHERE c.resource = p_resource AND (c.state = 1 OR (c.state = 0 AND c.token < r_token));
        IF waiting > 0 THEN
            r_look_again_in := NULL;
        END IF;
    END IF;
END $$;

-- Enters a line. No standing: not free, or released before.
CREATE FUNCTION "coord".lease_acquire(
    p_lock bigint, p_resource bytea, p_owner bytea, p_weight bigint, p_capacity bigint, p_ttl bigint,
    p_wait_ttl bigint, p_floor bigint, p_base bigint, p_label bytea, p_listener text,
    OUT r_standing smallint, OUT r_token bigint, OUT r_ahead bigint, OUT r_look_again_in bigint
) LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
    own smallint;
    own_token bigint;
    waiting bigint;
    used bigint;
    least_capacity bigint;
    unsettled boolean;
    fits boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM "coord".refuse_isolation();
    END IF;
    PERFORM pg_advisory_xact_lock_shared('"coord".token'::regclass::oid::integer, 1668247410),
        pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    LOOP
        SELECT count(*) FILTER (WHERE c.state = 0), coalesce(sum(c.weight) FILTER (WHERE c.state = 1), 0),
                min(c.capacity), bool_or(c.expires_at <= now OR (c.state = 0 AND c.token < p_base))
            INTO waiting, used, least_capacity, unsettled
            FROM "coord".contender c WHERE c.resource = p_resource AND c.state < 2;
        EXIT WHEN unsettled IS NOT TRUE;
        PERFORM "coord".line_settle(p_resource, now, p_base);
    END LOOP;
    fits := waiting = 0 AND (used = 0 OR used + p_weight <= least(least_capacity, p_capacity));
    IF fits OR p_wait_ttl IS NOT NULL THEN
        INSERT INTO "coord".contender AS c VALUES (
            p_owner, p_resource, fits::integer, nextval('"coord".token'), p_weight, p_capacity,
            now + CASE WHEN fits THEN p_ttl ELSE p_wait_ttl END, p_label, p_listener
        ) ON CONFLICT (owner, resource) DO NOTHING RETURNING c.token INTO r_token;
        IF FOUND THEN
            PERFORM "coord".tell('\x6c'::bytea || p_resource, now);
            IF fits THEN
                r_standing := 1;
            ELSE
                SELECT * INTO r_standing, r_token, r_ahead, r_look_again_in
                    FROM "coord".line_place(p_resource, p_owner, now);
            END IF;
            RETURN;
        END IF;
    END IF;
    SELECT c.state, c.token INTO own, own_token
        FROM "coord".contender c WHERE c.owner = p_owner AND c.resource = p_resource;
    IF own IS NULL OR own >= 2 THEN
        RETURN;
    END IF;
    -- One that asks again and holds by now was handed over, and has the deadline of one who waits.
    UPDATE "coord".contender SET expires_at = greatest(expires_at, now + p_ttl)
        WHERE owner = p_owner AND resource = p_resource AND state = 1;
    IF own_token < p_floor THEN
        UPDATE "coord".contender SET token = nextval('"coord".token')
            WHERE owner = p_owner AND resource = p_resource;
        -- Behind one who holds are all who wait.
        PERFORM "coord".line_renumber(
            p_resource, CASE own WHEN 1 THEN -9223372036854775808 ELSE own_token END, p_owner
        );
    END IF;
    SELECT * INTO r_standing, r_token, r_ahead, r_look_again_in
        FROM "coord".line_place(p_resource, p_owner, now);
END $$;

CREATE FUNCTION "coord".lease_renew(
    p_lock bigint, p_resource bytea, p_owner bytea, p_ttl bigint, p_wait_ttl bigint, p_base bigint,
    OUT r_standing smallint, OUT r_token bigint, OUT r_ahead bigint, OUT r_look_again_in bigint
) LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared('"coord".token'::regclass::oid::integer, 1668247410),
        pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    PERFORM "coord".line_look(p_resource, now, p_base);
    UPDATE "coord".contender
        SET expires_at = now + CASE state WHEN 1 THEN p_ttl ELSE p_wait_ttl END
        WHERE owner = p_owner AND resource = p_resource AND state < 2;
    SELECT * INTO r_standing, r_token, r_ahead, r_look_again_in
        FROM "coord".line_place(p_resource, p_owner, now);
END $$;

-- Leaves a line, and says whether the contender was in it: the same however often it is asked.
CREATE FUNCTION "coord".lease_release(p_lock bigint, p_resource bytea, p_owner bytea, p_base bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    now bigint;
    own smallint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared('"coord".token'::regclass::oid::integer, 1668247410),
        pg_advisory_xact_lock(p_lock);
    now := "coord".clock();
    UPDATE "coord".contender SET state = 2, expires_at = now + 60000000
        WHERE owner = p_owner AND resource = p_resource AND state < 2 AND expires_at > now;
    IF FOUND THEN
        IF EXISTS (SELECT FROM "coord".contender c WHERE c.resource = p_resource AND c.state < 2) THEN
            PERFORM "coord".line_settle(p_resource, now, p_base);
        ELSE
            PERFORM "coord".tell('\x6c'::bytea || p_resource, now);
        END IF;
        RETURN true;
    END IF;
    PERFORM "coord".line_look(p_resource, now, p_base);
    SELECT c.state INTO own FROM "coord".contender c WHERE c.owner = p_owner AND c.resource = p_resource;
    IF own IS NULL THEN
        INSERT INTO "coord".contender VALUES (p_owner, p_resource, 3, 0, 0, 0, now + 60000000, '', NULL);
    END IF;
    RETURN own IS NOT NULL AND own = 2;
END $$;

-- The same in a transaction of its own. If nobody is left in line, its commit does not wait for the disk: a server that
-- crashes may forget it, and the lease then ends with its ttl. The next commit that waits makes it last.
CREATE FUNCTION "coord".lease_release_alone(p_lock bigint, p_resource bytea, p_owner bytea, p_base bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was_in_line boolean := "coord".lease_release(p_lock, p_resource, p_owner, p_base);
BEGIN
    IF NOT EXISTS (SELECT FROM "coord".contender c WHERE c.resource = p_resource AND c.state < 2) THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN was_in_line;
END $$;

CREATE FUNCTION "coord".lease_inspect(p_lock bigint, p_resource bytea, p_base bigint)
RETURNS TABLE (r_owner bytea, r_label bytea, r_token bigint, r_weight bigint, r_granted boolean, r_expires_in bigint)
LANGUAGE plpgsql AS $$
DECLARE
    now bigint := "coord".clock();
BEGIN
    IF EXISTS (
        SELECT FROM "coord".contender c
            WHERE c.resource = p_resource AND c.state < 2 AND c.expires_at <= now
    ) THEN
        PERFORM pg_advisory_xact_lock_shared('"coord".token'::regclass::oid::integer, 1668247410),
            pg_advisory_xact_lock(p_lock);
        now := "coord".clock();
        PERFORM "coord".line_look(p_resource, now, p_base);
    END IF;
    RETURN QUERY SELECT c.owner, c.label, c.token, c.weight, c.state = 1, greatest(c.expires_at - now, 0)
        FROM "coord".contender c WHERE c.resource = p_resource AND c.state < 2
        ORDER BY c.state DESC, c.token;
END $$;
