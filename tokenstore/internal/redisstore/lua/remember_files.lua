-- Remembers what is known of the token files.
-- KEYS[1] hash imported: path to fingerprint
-- KEYS[2] hash listed
-- ARGV[1] shown token ids, with spaces between
-- ARGV[2] written token ids, with spaces between
-- ARGV[3...] seen path, fingerprint, path, fingerprint ...
-- RETURN 1

redis.call('HSET', KEYS[2], 'shown', ARGV[1], 'written', ARGV[2])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
