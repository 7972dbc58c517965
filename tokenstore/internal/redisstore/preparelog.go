package redisstore

import (
	"context"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogSchemaVersion is what logSchemaKey holds. The log has a version of its own, because
// it may be in a Redis of its own.
const LogSchemaVersion = "2"

// legacyLogSchema had each entry in an item of its own, and did not count them.
const legacyLogSchema = "1"

var (
	takePromptsScript = newScript("take_prompts")
	countLogScript    = newScript("count_log")
)

// takeStep is how many prompts of before are moved at a time.
const takeStep = 100

// PrepareLog makes the log fit for use, as Prepare does for the rest, and makes sure that
// its Redis takes writes. Where it fails, leases don't: the log waits.
func (s *Store) PrepareLog(ctx context.Context) error {
	ctx = throughFence(ctx)
	err := s.prepareLog(ctx)
	if err != nil {
		s.logFence.close(err)
		s.used.clear()
		return err
	}
	if s.otherLogServer(ctx) || s.logFence.closed.Load() != nil {
		s.used.clear() // the data may be another's
	}
	s.logFence.open()
	return nil
}

// otherLogServer tells whether the log's server is another one, or was restarted, since the last
// look. One that does not tell counts as the same.
func (s *Store) otherLogServer(ctx context.Context) bool {
	var server redis.Cmdable = s.logClient
	if cluster, ok := s.logClient.(*redis.ClusterClient); ok {
		primary, err := cluster.MasterForKey(ctx, logSchemaKey())
		if err != nil {
			return false
		}
		server = primary
	}
	run := infoOf(server.Info(ctx, "server").Val())["run_id"]
	if run == "" {
		return false
	}
	before := s.logRun.Swap(&run)
	return before != nil && *before != run
}

func (s *Store) prepareLog(ctx context.Context) error {
	if err := s.logRights.check(ctx); err != nil {
		return err
	}
	version, err := claimed(ctx, s.logClient, logSchemaKey(), LogSchemaVersion)
	if err != nil {
		return storeError("check the log's schema version", err)
	}
	if version == legacyLogSchema {
		keys := []string{logSchemaKey(), logEntriesKey(), logKeptKey()}
		if err := countLogScript.run(ctx, s.logClient, keys, legacyLogSchema, LogSchemaVersion).Err(); err != nil {
			return storeError("count the log's entries", err)
		}
		version = LogSchemaVersion
	}
	if version != LogSchemaVersion {
		return &SchemaError{Stored: version, Log: true}
	}
	there, err := s.logClient.Exists(ctx, legacyPromptsKey()).Result()
	if err != nil {
		return storeError("move the log's prompts", err)
	}
	for left := int(there); left > 0; {
		keys := []string{legacyPromptsKey(), promptOrderKey(), promptsKey(), promptBytesKey()}
		if left, err = takePromptsScript.run(ctx, s.logClient, keys, takeStep).Int(); err != nil {
			return storeError("move the log's prompts", err)
		}
	}
	if there > 0 {
		s.log.LogAttrs(ctx, slog.LevelInfo, "the log's prompts were moved")
	}
	if s.ownLog() {
		return s.logBarrier.Sync(ctx)
	}
	return nil
}

// ownLog tells whether the log has a Redis of its own.
func (s *Store) ownLog() bool { return s.logClient != s.client }
