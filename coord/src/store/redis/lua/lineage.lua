-- Finds the epoch of tokens that is in force on this server.
--
-- KEYS  1 the tokens
-- ARGV  1 the greatest epoch that the client has seen  2 '1' if it is sure that this is the primary
if string.match(redis.call('INFO', 'replication'), 'role:(%a+)') ~= 'master' then
  return redis.error_reply('READONLY this server is a replica')
end
return begin_epoch(KEYS[1], tonumber(ARGV[1]), ARGV[2] == '1')
