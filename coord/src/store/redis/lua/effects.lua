-- Redis 6 copies a script to its replicas as it stands unless told to copy its effects.
if not redis.REDIS_VERSION_NUM then redis.replicate_commands() end
