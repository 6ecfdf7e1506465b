-- The epoch of tokens for this server's lineage, raised if the lineage is not the one that tokens were given out in
-- before: the server was restarted or promoted, has got the tokens from another one, or has lost what it knew.
--
-- An epoch is at least the time in seconds when it began, and its first number how far that second was gone,
-- in units of 2^-32: so an epoch that is begun anew, even within the same second, is beyond what was before,
-- and a client that has seen what was lost and one that has not begin it alike.
--
-- One who has seen a greater epoch than this server knows, while the server knows its own, speaks to a server that has lost
-- all and begun again, or to one that is no primary any more and has not heard of it. What the second gives out must not
-- be above what its successor does. So unless the client is sure, it is told '0'.
local function begin_epoch(tokens, seen, is_sure)
  local lineage = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  local known = redis.call('HMGET', tokens, 'lineage', 'epoch')
  if known[1] == lineage and known[2] and redis.call('HEXISTS', tokens, known[2]) == 1 then
    if tonumber(known[2]) >= seen then return known[2] end
    if not is_sure then return '0' end
  end
  seen = math.max(seen, tonumber(known[2] or '0'))
  local time = redis.call('TIME')
  local epoch, number = tonumber(time[1]), math.max(math.floor(time[2] * 4294.967295), 1)
  if epoch < seen or (epoch == seen and known[2]) then epoch, number = seen + 1, 1 end
  epoch = string.format('%.0f', epoch)
  -- The key is there all the time: it could not be made again in a slot that is being moved away.
  redis.call('HSET', tokens, 'lineage', lineage, 'epoch', epoch, epoch, string.format('%.0f', number))
  if known[2] and known[2] ~= epoch then redis.call('HDEL', tokens, known[2]) end
  return epoch
end
