package redisstore

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// sendReads sends what the pipeline has and returns what went wrong first. What is not there is no
// error: its command has redis.Nil, which [redis.Pipeliner.Exec] also returns when it comes first,
// and then says nothing of a real error behind it.
func sendReads(ctx context.Context, pipe redis.Pipeliner) error {
	commands, err := pipe.Exec(ctx)
	if !errors.Is(err, redis.Nil) {
		return err
	}
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// sendEach sends what the pipeline has, after which each command has its own error, and returns the
// first. Where no connection could be had, the client tells none of its commands.
func sendEach(ctx context.Context, pipe redis.Pipeliner) error {
	commands, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(commands, hasError) {
		return err
	}
	for _, command := range commands {
		command.SetErr(err)
	}
	return err
}

func hasError(command redis.Cmder) bool { return command.Err() != nil }
