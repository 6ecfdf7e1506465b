-- A record: {milliseconds left or -1, the record}, or nothing.
--
-- KEYS  1 the record
local record = redis.call('GET', KEYS[1])
if not record or string.byte(record) ~= 76 then return false end
return {redis.call('PTTL', KEYS[1]), record}
