-- Takes down what tokens are, for what is counted of their pool.
-- KEYS[1] zset ids: the pool's token ids
-- ARGV[1...] ids of tokens
-- USE pool
-- USE rows
-- USE standing
-- RETURN 1

for i = 1, #ARGV do stand(ARGV[i]) end
return 1
