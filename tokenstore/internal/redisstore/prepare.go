package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// Prepare makes a store fit for use, or says why it is not: it claims an empty Redis for
// this schema version, brings data of older versions up to date, and refuses data that it
// can't read. Each step may be repeated. Repeat Prepare as long as the store is used: the
// server may be a different one, and its data gone.
func (s *Store) Prepare(ctx context.Context) error {
	ctx = throughFence(ctx)
	for _, step := range []func(context.Context) error{s.rights.check, s.checkInstance, s.checkSchema, s.heal, s.renewIndexes, s.checkSeals} {
		if err := step(ctx); err != nil {
			if unfit(err) {
				s.fence.close(err)
			}
			return err
		}
	}
	s.fence.open()
	return nil
}

// unfit tells data that must not be used from a server that can't be asked.
func unfit(err error) bool {
	if _, is := errors.AsType[*SchemaError](err); is {
		return true
	}
	if _, is := errors.AsType[*SealError](err); is {
		return true
	}
	return errors.Is(err, ErrEmptied)
}

// SchemaError says that the data in Redis is of a version that this program
// can't read.
type SchemaError struct {
	Stored string
	// Log: it is the log's.
	Log bool
}

func (e *SchemaError) Error() string {
	if e.Log {
		return fmt.Sprintf("Redis holds a request log of schema version %q, this tokenstore reads %q", e.Stored, LogSchemaVersion)
	}
	return fmt.Sprintf("Redis holds schema version %q, this tokenstore reads %q: use the tokenstore that wrote it, or another Redis",
		e.Stored, SchemaVersion)
}

// checkSchema claims an empty Redis for this schema version, moves the data of the version
// before, and refuses any other. What it was interrupted in it goes on with when it is
// repeated.
func (s *Store) checkSchema(ctx context.Context) error {
	version, err := claimed(ctx, s.client, schemaKey(), SchemaVersion)
	if err != nil {
		return storeError("check the schema version", err)
	}
	if version == legacySchema {
		return s.migrate(ctx)
	}
	if version != SchemaVersion {
		return &SchemaError{Stored: version}
	}
	return nil
}

// claimed is what a key holds, once it has been made to hold a value where it held none.
func claimed(ctx context.Context, client redis.Cmdable, key, value string) (string, error) {
	held, err := client.Get(ctx, key).Result()
	if !errors.Is(err, redis.Nil) {
		return held, err
	}
	if err := client.SetNX(ctx, key, value, 0).Err(); err != nil {
		return "", err
	}
	return client.Get(ctx, key).Result() // another tokenstore may have been first
}

// ErrEmptied says that the data which this store has worked with is gone.
var ErrEmptied = errors.New("Redis has lost all of its data since this tokenstore began to use it: " + //nolint:staticcheck // begins with a name
	"bring the data back, or restart the tokenstore to begin with nothing")

// checkInstance makes sure that Redis has the data that this store was prepared for. They
// bear a mark that nobody takes away: without it they are gone. A store that is prepared
// for the first time takes what there is.
func (s *Store) checkInstance(ctx context.Context) error {
	known := s.instance.Load()
	pipe := s.client.Pipeline()
	schema, mark := pipe.Get(ctx, schemaKey()), pipe.Get(ctx, instanceKey())
	if err := sendReads(ctx, pipe); err != nil {
		return storeError("look for the data", err)
	}
	if err := mark.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return storeError("look for the data", err)
	}
	empty := schema.Val() == "" && mark.Val() == ""
	switch {
	case known != nil && empty:
		return ErrEmptied
	case known != nil && mark.Val() == *known:
		return nil
	case known != nil && mark.Val() != "":
		s.log.LogAttrs(ctx, slog.LevelWarn, "Redis has other data than before")
	case empty && s.keys.Unsaved():
		s.log.LogAttrs(ctx, slog.LevelInfo, "Redis is empty: this is a new store")
	case empty:
		s.log.LogAttrs(ctx, slog.LevelWarn, "Redis is empty, though there is a seal key file: unless this is a new installation, its data are gone",
			slog.String("seal_key_file", s.keys.Path()))
	}
	made := mark.Val()
	if made == "" {
		made = rand.Text()
		if known != nil { // only the mark is gone
			made = *known
		}
		now, err := claimed(ctx, s.client, instanceKey(), made)
		if err != nil {
			return storeError("mark the data", err)
		}
		made = now
	}
	s.instance.Store(&made)
	return nil
}
