-- Tokens that came with a slot from another node, or by a failover, belong to an epoch that is over. Clients are not told of
-- either, so whoever is to be granted something looks.
if string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') ~= redis.call('HGET', KEYS[1], 'lineage') then
  return -1
end
