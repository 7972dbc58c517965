-- Takes down what lists choose and sort tokens by.
-- KEYS[1] zset ids: the pool's token ids
-- ARGV[1...] ids of tokens
-- USE pool
-- USE rows
-- RETURN 1

for i = 1, #ARGV do put_row(ARGV[i]) end
return 1
