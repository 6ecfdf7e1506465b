-- Takes a record out of the index if it is gone.
--
-- KEYS  1 the record  2 the index
-- ARGV  1 the key's name in the index
local flag = redis.call('GETRANGE', KEYS[1], '0', '0')
if flag ~= 'L' then redis.call('ZREM', KEYS[2], ARGV[1]) end
return 0
