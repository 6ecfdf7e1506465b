-- Takes a record out of the index if it is gone; 1 if it was taken out.
--
-- KEYS  1 the record  2 the index
-- ARGV  1 the key's name in the index
local flag = redis.call('GETRANGE', KEYS[1], '0', '0')
if flag == 'L' then return 0 end
return redis.call('ZREM', KEYS[2], ARGV[1])
