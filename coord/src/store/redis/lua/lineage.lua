-- Finds the epoch of tokens for this server's lineage, and raises it if the lineage is not the one that
-- tokens were given out in before: the server was restarted or promoted, or has lost what it knew.
--
-- KEYS  1 the tokens
-- ARGV  1 the greatest epoch that the client has seen
--
-- An epoch is at least the time in seconds when it began, and its first number how far that second was gone,
-- in units of 2^-32: so an epoch that is begun anew, even within the same second, is beyond what was before,
-- and a client that has seen what was lost and one that has not begin it alike.
redis.replicate_commands()
local info = redis.call('INFO', 'replication')
if string.match(info, 'role:(%a+)') ~= 'master' then
  return redis.error_reply('READONLY this server is a replica')
end
local lineage = string.match(info, 'master_replid:(%x+)')
local known = redis.call('HMGET', KEYS[1], 'lineage', 'epoch')
local seen = math.max(tonumber(ARGV[1]), tonumber(known[2] or '0'))
if known[1] == lineage and known[2] and redis.call('HEXISTS', KEYS[1], known[2]) == 1
  and tonumber(known[2]) >= tonumber(ARGV[1]) then
  return known[2]
end
local time = redis.call('TIME')
local epoch, number = tonumber(time[1]), math.max(math.floor(time[2] * 4294.967295), 1)
if epoch < seen or (epoch == seen and known[2]) then epoch, number = seen + 1, 1 end
epoch = string.format('%.0f', epoch)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'lineage', lineage, 'epoch', epoch, epoch, string.format('%.0f', number))
return epoch
