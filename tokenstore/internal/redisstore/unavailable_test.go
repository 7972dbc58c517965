package redisstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func bytesText(n int64) string { return strconv.FormatInt(n, 10) }

// Whatever keeps Redis from serving is STORE_UNAVAILABLE, with the reason, for whoever
// saves, and the store knows that it is not writable.
func TestARedisThatCannotServe(t *testing.T) {
	t.Parallel()
	config := func(name, value string) func(context.Context, redis.UniversalClient) error {
		return func(ctx context.Context, client redis.UniversalClient) error {
			return client.ConfigSet(ctx, name, value).Err()
		}
	}
	for name, test := range map[string]struct {
		become func(context.Context, redis.UniversalClient) error
		reason string
		reads  bool
	}{
		"full": {config("maxmemory", "1mb"), "Redis is full", true},
		"a replica": {func(ctx context.Context, client redis.UniversalClient) error {
			return client.SlaveOf(ctx, "127.0.0.1", "1").Err()
		}, "Redis is a replica now", true},
		"short of replicas": {config("min-replicas-to-write", "1"), "too few of its replicas", true},
		"of another password": {func(ctx context.Context, client redis.UniversalClient) error {
			return client.Do(ctx, "ACL", "SETUSER", "default", "resetpass", ">another").Err()
		}, "password", false},
		"of fewer rights": {func(ctx context.Context, client redis.UniversalClient) error {
			return client.Do(ctx, "ACL", "SETUSER", "default", "-@write", "-@scripting").Err()
		}, "rights", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testredis.NewServer(t)
			client := server.Client(t)
			store := newStore(t, client)
			ctx := t.Context()
			admin := server.Client(t)
			if err := test.become(ctx, admin); err != nil {
				t.Fatal(err)
			}
			_ = admin.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err() // without rights: nobody is killed
			problems := map[string]error{"ready": store.Writable(ctx)}
			_, problems["token"] = store.CreateToken(ctx, draft("cursor", "secret-of-a-token"))
			_, problems["settings"] = store.UpdateSettings(ctx, SettingsUpdate{
				Settings: &tokenstorev1.Settings{DefaultInstructions: "x"}, Names: []string{"default_instructions"},
			})
			_, problems["log"] = store.AppendLog(ctx, "g1", logEntries(1, 1))
			problems["files"] = store.RememberTokenFiles(ctx, TokenFiles{Seen: map[string]string{"f": "1"}})
			problems["audit"] = store.RecordAudit(ctx, &tokenstorev1.AuditEntry{Action: "x"})
			for what, err := range problems {
				said, ours := errors.AsType[*rpcerr.Error](err)
				if !ours || said.Reason != tokenstorev1.Reason_REASON_STORE_UNAVAILABLE || !strings.Contains(said.Message, test.reason) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if test.reads {
				if _, err := store.Upstreams(ctx); err != nil {
					t.Errorf("reading upstreams: %v", err)
				}
				if _, err := store.Snapshot(ctx); err != nil {
					t.Errorf("reading the configuration: %v", err)
				}
			}
		})
	}
}

func TestARefusedTransaction(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.": "is full",
		"EXECABORT Transaction discarded because of: READONLY You can't write.":                               "is a replica",
		"EXECABORT Transaction discarded because of previous errors.":                                         "refuses the transaction",
		"ERR max number of clients reached":                                                                   "maxclients",
		"ERR no such command":                                                                                 "",
		"WRONGTYPE Operation":                                                                                 "",
	} {
		if got := unavailable(replyError(text)); reason == "" && got != "" || !strings.Contains(got, reason) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

type replyError string

func (e replyError) Error() string { return string(e) }
func (replyError) RedisError()     {}
