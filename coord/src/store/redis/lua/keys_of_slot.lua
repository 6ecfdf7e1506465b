-- All keys of a slot.
--
-- KEYS  1 one that belongs there
-- ARGV  1 the slot
local count = redis.call('CLUSTER', 'COUNTKEYSINSLOT', ARGV[1])
return redis.call('CLUSTER', 'GETKEYSINSLOT', ARGV[1], count)
