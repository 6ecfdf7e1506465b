-- A record: {version, milliseconds left or -1, value}, or nothing.
--
-- KEYS  1 the record
local record = redis.call('GET', KEYS[1])
if not record or string.byte(record) ~= 76 then return false end
return {string.sub(record, 2, 17), redis.call('PTTL', KEYS[1]), string.sub(record, 19 + 16 * string.byte(record, 18))}
