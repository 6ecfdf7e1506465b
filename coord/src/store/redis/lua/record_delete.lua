-- Deletes a record if a condition holds, and leaves for a minute what tells a repeated request.
--
-- KEYS  1 the record  2 the index of what is listed
-- ARGV  1 operation  2 condition, as for a put  3 the key's name in the index  4 channel of those who watch
local head = redis.call('GETRANGE', KEYS[1], '0', '17')
if head == '' then return 0 end
local version, count, earlier = string.sub(head, 2, 17), string.byte(head, 18), ''
if count > 0 then earlier = redis.call('GETRANGE', KEYS[1], 18, 17 + 16 * count) end
if version == ARGV[1] or string.find(earlier, ARGV[1], 1, true) then return 1 end
if string.byte(head) ~= 76 then return 0 end
local kind, compared = string.sub(ARGV[2], 1, 1), string.sub(ARGV[2], 2)
local holds = kind == 'n'
  or (kind == 'v' and version == compared)
  or (kind == 'e' and redis.call('GETRANGE', KEYS[1], 18 + #earlier, -1) == compared)
if not holds then return 0 end
earlier = version .. string.sub(earlier, 1, 112)
redis.call('SET', KEYS[1], 'D' .. ARGV[1] .. string.char(#earlier / 16) .. earlier, 'PX', '60000')
redis.call('ZREM', KEYS[2], ARGV[3])
redis.call(PUBLISH, ARGV[4], '')
return 1
