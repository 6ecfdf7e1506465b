-- Everybody in line, in order: {owner, state, weight, label, token, milliseconds left}, ….
--
-- KEYS  1 the tokens  2 the lease
local there = redis.pcall('GET', KEYS[2])
if type(there) == 'table' then return contended(KEYS[2]) end
if not there or string.byte(there) ~= 43 then return {} end
local weight, label, token = string.match(there, '^%d*|(%d+)|%d+|([^|]*)|([%d:]+)', 18)
return {{string.sub(there, 2, 17), 'h', weight, label, token, redis.call('PTTL', KEYS[2])}}
